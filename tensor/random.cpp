#include "tensor/random.h"

#include <cmath>
#include <numbers>

#include "tensor/error.h"

namespace sr {

uint64_t Random::next() {
  uint64_t z = (state += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

double Random::uniform() {
  return static_cast<double>(next() >> 11) * 0x1p-53;
}

double Random::normal() {
  const double radius = std::sqrt(-2 * std::log(1 - uniform()));
  return radius * std::cos(2 * std::numbers::pi * uniform());
}

int64_t Random::integer(int64_t below) {
  if (below < 1)
    throw Error(Error::Kind::usage, "random integer below ", below, ": the bound must be at least 1");
  const auto bound = static_cast<uint64_t>(below);
  const uint64_t unfair = -bound % bound;  // 2^64 mod bound: numbers below it would favour small results
  uint64_t value = next();
  while (value < unfair) value = next();
  return static_cast<int64_t>(value % bound);
}

Tensor random_normal(Shape shape, double deviation, Random& random) {
  Tensor t(shape);
  for (int64_t i = 0; i < shape.size(); ++i) t.data()[i] = static_cast<float>(deviation * random.normal());
  return t;
}

}  // namespace sr
