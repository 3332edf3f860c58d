// The whole network.
#include <map>
#include <memory>

#include "bench/measure.h"
#include "idn/network.h"
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
  static std::map<int, Array> known;
  const NetworkOptions& o = built.network.options();
  const auto found = known.find(o.factor);
  if (found != known.end()) return found->second;
  const Array all = reference::network(reference::arrays_of(built.params), o,
                                       Array(image(kSide + built.network.reach().after)));
  Array corner(Shape{1, kSide * o.factor, kSide * o.factor, 1});
  for (int64_t i = 0; i < corner.shape.h; ++i)
    for (int64_t j = 0; j < corner.shape.w; ++j) corner.at(0, i, j, 0) = all.at(0, i, j, 0);
  return known.emplace(o.factor, corner).first->second;
}

Work network(int factor, int64_t size) {
  const auto built = std::make_shared<Built>(NetworkOptions{.factor = factor, .crop_begin = 9 - factor});
  const Var x(image(size));
  const auto run = [=] {
    const NoGrad none;
    return built->network(x).value();
  };
  Work work;
  work.run = [=] { benchmark::DoNotOptimize(run().data()); };
  work.pixels = static_cast<double>(size * size);
  // Weights are used once per coarse pixel; biases are not multiplied.
  int64_t weights = 0;
  for (const Parameter& p : built->params.list())
    if (p.name.ends_with("weight")) weights += p.var.shape().size();
  work.multiply_adds = work.pixels * static_cast<double>(weights);
  work.difference = [=] {
    return reference::difference(crop(run(), 0, 0, kSide * factor, kSide * factor), expected_corner(*built));
  };
  return work;
}

}  // namespace
}  // namespace sr::bench

int main(int argc, char** argv) {
  for (const int factor : {2, 3, 4})
    for (const int64_t size : {128, 512})
      sr::bench::add_benchmark(
          "network/x" + std::to_string(factor) + '/' + std::to_string(size) + 'x' + std::to_string(size),
          [=] { return sr::bench::network(factor, size); });
  return sr::bench::run_benchmarks(argc, argv);
}
