// Every convolution of the network by itself, and the bicubic enlargement.
#include <algorithm>
#include <cmath>
#include <vector>

#include "bench/measure.h"
#include "tensor/conv2d/conv2d.h"
#include "tensor/ops/resize.h"
#include "tests/support/reference.h"

namespace sr::bench {
namespace {

using reference::Array;

struct Layer {
  const char* name;
  int64_t in, out;
  int kernel, groups;
  int64_t first_channel = 0;              // the input is a view of a wider tensor from here on
  std::vector<int64_t> added_channels{};  // of the tensors that the epilogue adds
};

const Layer kLayers[] = {{"feature1", 1, 64, 3, 1}, {"feature2", 64, 64, 3, 1},
                         {"conv1", 64, 48, 3, 1},   {"conv2", 48, 32, 3, 4},
                         {"conv3", 32, 64, 3, 1},   {"conv4", 48, 64, 3, 1, 16},
                         {"conv5", 64, 48, 3, 4},   {"conv6", 48, 80, 3, 1, 0, {64, 16}},
                         {"compress", 80, 64, 1, 1}};

// The first two rows and columns against the loops, then two in the middle; both need the input's neighbours.
double conv_difference(const Tensor& y, const Tensor& x, const Tensor& w, const Tensor& b,
                       const std::vector<Tensor>& added, const Conv2dOptions& options) {
  constexpr int64_t kSide = 2;
  const int64_t pad = options.pad_begin;
  double worst = 0;
  for (const int64_t at : {int64_t{0}, y.shape().h / 2}) {
    // Cropped with its margin; at the image's corner the zeros are the loops' own.
    const int64_t from = std::max<int64_t>(0, at - pad), size = at + kSide + pad - from;
    std::vector<Array> parts;
    for (const Tensor& a : added) parts.emplace_back(crop(a, from, from, size, size));
    const Array bias(b);
    const Array all =
        reference::conv2d(Array(crop(x, from, from, size, size)), Array(w), &bias, options, parts);
    Array expected(Shape{1, kSide, kSide, y.shape().c});
    for (int64_t i = 0; i < kSide; ++i)
      for (int64_t j = 0; j < kSide; ++j)
        for (int64_t o = 0; o < y.shape().c; ++o)
          expected.at(0, i, j, o) = all.at(0, at - from + i, at - from + j, o);
    worst = std::max(worst, reference::difference(crop(y, at, at, kSide, kSide), expected));
  }
  return worst;
}

Work convolution(const Layer& layer, int64_t size) {
  Random random{1};
  const Conv2dOptions options{
      .pad_begin = layer.kernel / 2, .pad_end = layer.kernel / 2, .groups = layer.groups, .leak = 0.05f};
  const int64_t wide = layer.first_channel + layer.in;
  const Tensor x = random_normal({1, size, size, wide}, 1, random).channels(layer.first_channel, wide);
  const Tensor w =
      random_normal({layer.out, layer.kernel, layer.kernel, layer.in / layer.groups}, 0.1, random);
  const Tensor b = random_normal({1, 1, 1, layer.out}, 0.1, random);
  std::vector<Tensor> added;
  for (const int64_t c : layer.added_channels) added.push_back(random_normal({1, size, size, c}, 1, random));
  const auto run = [=] { return conv2d(x, w, b, options, added); };
  Work work;
  work.run = [=] { benchmark::DoNotOptimize(run().data()); };
  work.pixels = static_cast<double>(size * size);
  work.multiply_adds = work.pixels * static_cast<double>(w.shape().size());
  work.difference = [=] { return conv_difference(run(), x, w, b, added, options); };
  return work;
}

// 17x17 to one channel, as after the last block.
Work transposed(int factor, int64_t size) {
  constexpr int64_t kSide = 9;  // coarse pixels that decide the first fine ones
  Random random{2};
  const Conv2dOptions options{.stride = factor, .pad_begin = 9 - factor, .pad_end = 8};
  const Tensor x = random_normal({1, size, size, 64}, 1, random);
  const Tensor w = random_normal({64, 17, 17, 1}, 0.1, random), b = random_normal({1, 1, 1, 1}, 1, random);
  const auto run = [=] { return conv_transpose2d(x, w, b, factor * size, factor * size, options); };
  Work work;
  work.run = [=] { benchmark::DoNotOptimize(run().data()); };
  work.pixels = static_cast<double>(size * size);
  work.multiply_adds = work.pixels * 64 * 17 * 17;
  work.difference = [=] {
    Array expected = reference::conv2d_grad_input(Array(crop(x, 0, 0, kSide, kSide)), Array(w),
                                                  {1, factor * kSide, factor * kSide, 1}, options);
    for (double& v : expected.values) v += double{b.data()[0]};
    Array first(Shape{1, factor, factor, 1});
    for (int64_t i = 0; i < factor; ++i)
      for (int64_t j = 0; j < factor; ++j) first.at(0, i, j, 0) = expected.at(0, i, j, 0);
    return reference::difference(crop(run(), 0, 0, factor, factor), first);
  };
  return work;
}

// A quadratic is enlarged to itself by a bicubic, but for the mirrored edges.
Work bicubic(int factor, int64_t size) {
  Tensor x(Shape{1, size, size, 1});
  const auto value = [=](double i, double j) {
    const double u = (i + 0.5) / static_cast<double>(size), v = (j + 0.5) / static_cast<double>(size);
    return u * u - u * v + 0.5 * v;
  };
  for (int64_t i = 0; i < size; ++i)
    for (int64_t j = 0; j < size; ++j)
      x.data()[i * size + j] = static_cast<float>(value(static_cast<double>(i), static_cast<double>(j)));
  Work work;
  work.run = [=] { benchmark::DoNotOptimize(bicubic_enlarge(x, factor).data()); };
  work.pixels = static_cast<double>(size * size);
  // Four taps along each column, then along each row of the finer picture.
  work.multiply_adds = work.pixels * 4 * factor * (1 + factor);
  work.difference = [=] {
    const Tensor y = bicubic_enlarge(x, factor);
    double worst = 0;
    for (int64_t i = 3 * factor; i < (size - 3) * factor; ++i)
      for (int64_t j = 3 * factor; j < (size - 3) * factor; ++j) {
        const double row = (static_cast<double>(i) + 0.5) / factor - 0.5,
                     column = (static_cast<double>(j) + 0.5) / factor - 0.5;
        worst = std::max(worst, std::abs(double{y.data()[i * size * factor + j]} - value(row, column)));
      }
    return worst;
  };
  return work;
}

void add_all() {
  for (const int64_t size : {128, 512}) {
    const std::string at = '/' + std::to_string(size) + 'x' + std::to_string(size);
    for (const Layer& layer : kLayers)
      add_benchmark(std::string("conv2d/") + layer.name + at, [=] { return convolution(layer, size); });
    for (const int factor : {2, 3, 4}) {
      const std::string x = "/x" + std::to_string(factor);
      add_benchmark("conv_transpose2d" + x + at, [=] { return transposed(factor, size); });
      add_benchmark("bicubic_enlarge" + x + at, [=] { return bicubic(factor, size); },
                    {float_sets().front()});
    }
  }
}

}  // namespace
}  // namespace sr::bench

int main(int argc, char** argv) {
  sr::bench::add_all();
  return sr::bench::run_benchmarks(argc, argv);
}
