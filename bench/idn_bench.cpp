// The whole network: layer by layer in float32, and band by band in each precision.
#include <iostream>
#include <map>
#include <memory>
#include <set>
#include <utility>

#include "bench/measure.h"
#include "idn/network.h"
#include "tensor/bands/network.h"
#include "tensor/error.h"
#include "tests/support/reference.h"

namespace sr::bench {
namespace {

using reference::Array;

constexpr int64_t kSide = 2;  // coarse pixels in the corner that are compared with the loops

struct Built {
  Params params{3};
  Network network;
  explicit Built(const NetworkOptions& options) : network(params.scope(), options) {}
};

// The same numbers in the corner of an image of any size, so that the loops run once.
Tensor image(int64_t size) {
  Tensor t(Shape{1, size, size, 1});
  for (int64_t i = 0; i < size; ++i)
    for (int64_t j = 0; j < size; ++j)
      t.data()[i * size + j] =
          static_cast<float>(Random{static_cast<uint64_t>(i * 65536 + j)}.uniform() - 0.5);
  return t;
}

// The corner of the result by the double-precision loops, from as much of the image as it sees.
const Array& expected_corner(const Built& built) {
  static std::map<std::pair<bool, int>, Array> known;
  const NetworkOptions& o = built.network.options();
  const std::pair network{o.span.has_value(), o.factor};
  const auto found = known.find(network);
  if (found != known.end()) return found->second;
  const Array all = reference::network(reference::arrays_of(built.params), o,
                                       Array(image(kSide + built.network.reach().after)));
  Array corner(Shape{1, kSide * o.factor, kSide * o.factor, 1});
  for (int64_t i = 0; i < corner.shape.h; ++i)
    for (int64_t j = 0; j < corner.shape.w; ++j) corner.at(0, i, j, 0) = all.at(0, i, j, 0);
  return known.emplace(network, corner).first->second;
}

// What is timed: a result of the network that was built.
Work work_of(const std::shared_ptr<Built>& built, int64_t size, const std::function<Tensor()>& run) {
  Work work;
  work.run = [=] { benchmark::DoNotOptimize(run().data()); };
  work.pixels = static_cast<double>(size * size);
  // Weights are used once per coarse pixel; biases are not multiplied.
  int64_t weights = 0;
  for (const Parameter& p : built->params.list())
    if (p.name.ends_with("weight")) weights += p.var.shape().size();
  work.multiply_adds = work.pixels * static_cast<double>(weights);
  const int64_t corner = kSide * built->network.options().factor;
  work.difference = [=] {
    return reference::difference(crop(run(), 0, 0, corner, corner), expected_corner(*built));
  };
  return work;
}

std::shared_ptr<Built> built(int factor, bool span = false) {
  NetworkOptions options{.factor = factor, .crop_begin = 9 - factor};
  if (span) options.span = SpanOptions{};
  return std::make_shared<Built>(options);
}

Work by_layers(int factor, int64_t size) {
  const auto network = built(factor);
  return work_of(network, size, [network, x = Var(image(size))] {
    const NoGrad none;
    return network->network(x).value();
  });
}

Work by_bands(int factor, int64_t size, bands::Precision precision, bool span) {
  const auto network = built(factor, span);
  const auto packed = std::make_shared<bands::Network>(network->network.program(), bands::kernels(precision));
  Work work = work_of(network, size, [packed, x = image(size)] { return packed->run(x); });
  if (precision == bands::Precision::bf16)
    work.allowed = bands::has_amx() ? 2e-2 : 5e-2;  // eight bits of each factor, also of transformed ones
  if (span) work.allowed *= 64;  // each of six gates may double what random weights leave of an error
  return work;
}

// Those that have kernels of their own for a precision; why there are none, in words, if so.
std::vector<Simd> sets_with(bands::Precision precision) {
  std::vector<Simd> sets;
  std::set<const bands::Kernels*> known;
  std::string refused;
  for (const Simd simd : all_simd()) {
    if (simd > best_simd()) break;
    set_simd(simd);
    try {
      if (known.insert(&bands::kernels(precision)).second) sets.insert(sets.begin(), simd);
    } catch (const Error& error) {
      refused = error.what();
    }
  }
  if (sets.empty()) std::cerr << "left out: " << refused << '\n';
  return sets;
}

std::string at(int factor, int64_t size) {
  const std::string side = std::to_string(size);
  return "/x" + std::to_string(factor) + '/' + side + 'x' + side;
}

void add_all() {
  const std::map<std::string, bands::Precision> precisions = {{"fp32", bands::Precision::fp32},
                                                              {"bf16", bands::Precision::bf16}};
  for (const int factor : {2, 3, 4})
    for (const int64_t size : {128, 512})
      add_benchmark("network" + at(factor, size), [=] { return by_layers(factor, size); });
  for (const auto& [name, precision] : precisions) {
    const std::vector<Simd> sets = sets_with(precision);
    for (const int factor : {2, 3, 4})
      for (const int64_t size : {128, 512})
        for (const bool span : {false, true})
          add_benchmark(
              "bands/" + name + (span ? "/span" : "") + at(factor, size),
              [=, precision = precision] { return by_bands(factor, size, precision, span); }, sets);
  }
}

}  // namespace
}  // namespace sr::bench

int main(int argc, char** argv) {
  sr::bench::add_all();
  return sr::bench::run_benchmarks(argc, argv);
}
