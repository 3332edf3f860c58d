// What the CUDA convolutions promise beyond right sums: operands rounded to nearest, an epilogue with the
// bits of separate passes, and bits that depend on nothing but the values.
#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "tensor/cuda/device.h"
#include "tests/support/cuda_schedules.h"
#include "tests/tensor/conv2d/cuda/cases.h"

namespace sr {
namespace {

using cuda::ConvOp;
using cuda::Math;

/// One convolution for each kernel and way through it, by the size of the smaller of its two grids.
struct Sized {
  const char* name;
  ConvOp op;
  std::string kernel;
  int input_scale, output_scale;
  std::function<CudaConv(int64_t n, int64_t h, int64_t w)> conv;
  bool wgmma = false;

  /// Kernels for compute capability 9.0 depend on whether there is one image or several.
  int64_t fewest_images() const { return kernel == "patches" ? 2 : 1; }
  int64_t images() const { return kernel == "strips" ? 1 : 2; }
  cuda::ConvDevice device(int multiprocessors = 2) const {
    cuda::ConvDevice d = wgmma ? kHopper : kSmallDevice;
    d.multiprocessors = multiprocessors;
    return d;
  }
};

const cuda::ConvTypes kFromImage{DType::f32, DType::bf16, Math::bf16};

std::vector<Sized> every_kernel() {
  const auto layer = [](int i, int types) {
    return [=](int64_t n, int64_t h, int64_t w) {
      return layer_conv(kTensorLayers[i], n, h, w, kTensorTypes[types]);
    };
  };
  const auto upsample = [](int factor, const cuda::ConvTypes& types) {
    return [=](int64_t n, int64_t h, int64_t w) { return upsampler(factor, n, h, w, 1, types); };
  };
  const cuda::ConvTypes fp32{};
  std::vector<Sized> all{
      {"64 to 64, bf16", ConvOp::conv2d, "tensor", 1, 1, layer(0, 0)},
      {"48 to 80, gradient, fp16", ConvOp::grad_input, "tensor", 1, 1, layer(6, 1)},
      {"64 to 48 in 4 groups, tf32", ConvOp::conv2d, "tensor", 1, 1, layer(5, 2)},
      {"80 to 64, 1x1, bf16", ConvOp::conv2d, "tensor", 1, 1, layer(7, 0)},
      {"1 to 64", ConvOp::conv2d, "image", 1, 1,
       [](int64_t n, int64_t h, int64_t w) { return first_layer(n, h, w, kFromImage); }},
      {"upsampler by 2, bf16", ConvOp::grad_input, "subpixel", 1, 2, upsample(2, kFromImage)},
      {"upsampler by 3, tf32", ConvOp::grad_input, "subpixel", 1, 3,
       upsample(3, {DType::f32, DType::f32, Math::tf32})},
      {"gradient of the upsampler by 4, bf16", ConvOp::conv2d, "subpixel", 4, 1, upsample(4, kFromImage)},
      {"48 to 32 in 4 groups, fp32", ConvOp::conv2d, "tiled", 1, 1,
       [=](int64_t n, int64_t h, int64_t w) { return layer_conv(kTensorLayers[2], n, h, w, fp32); }},
      {"48 to 80, fp32", ConvOp::conv2d, "tiled", 1, 1,
       [=](int64_t n, int64_t h, int64_t w) { return layer_conv(kTensorLayers[6], n, h, w, fp32); }},
      {"48 to 32 in 4 groups, 16 bits in float32", ConvOp::conv2d, "plain", 1, 1,
       [=](int64_t n, int64_t h, int64_t w) {
         return layer_conv(kTensorLayers[2], n, h, w, {DType::bf16, DType::f32, Math::fp32});
       }},
      {"gradient of the upsampler by 3, fp32", ConvOp::conv2d, "tiled", 3, 1, upsample(3, fp32)},
      {"upsampler by 2, fp32", ConvOp::grad_input, "tiled", 1, 2, upsample(2, fp32)},
      {"small upsampler by 2, fp32", ConvOp::grad_input, "plain", 1, 2,
       [=](int64_t n, int64_t h, int64_t w) {
         return CudaConv{"small upsampler",
                         {n, 2 * h, 2 * w, 1},
                         {20, 7, 7, 1},
                         {.stride = 2, .pad_begin = 3, .pad_end = 2},
                         fp32};
       }},
  };
  if (cuda::has_wgmma()) {
    all.push_back({"64 to 64 in strips, bf16", ConvOp::conv2d, "strips", 1, 1, layer(0, 0), true});
    all.push_back(
        {"48 to 32 in 4 groups in strips, fp16", ConvOp::conv2d, "strips", 1, 1, layer(2, 1), true});
    all.push_back(
        {"64 to 48 in strips, gradient, fp16", ConvOp::grad_input, "strips", 1, 1, layer(1, 1), true});
    all.push_back({"64 to 64 in patches, bf16", ConvOp::conv2d, "patches", 1, 1, layer(0, 0), true});
    all.push_back({"48 to 80 in patches, fp16", ConvOp::conv2d, "patches", 1, 1, layer(6, 1), true});
    all.push_back(
        {"48 to 80 in patches, gradient, tf32", ConvOp::grad_input, "patches", 1, 1, layer(6, 2), true});
    all.push_back({"80 to 64, 1x1, in patches, tf32", ConvOp::conv2d, "patches", 1, 1, layer(7, 2), true});
  }
  return all;
}

int64_t input_channels(const Sized& s) {
  const CudaConv conv = s.conv(1, 1, 1);
  return s.op == ConvOp::conv2d ? conv.x.c : conv.weight.n;
}

int64_t output_channels(const Sized& s) {
  const CudaConv conv = s.conv(1, 1, 1);
  return s.op == ConvOp::conv2d ? conv.weight.n : conv.x.c;
}

std::vector<float> window(const std::vector<float>& image, int64_t w, int64_t c, int64_t row, int64_t column,
                          int64_t rows, int64_t columns) {
  std::vector<float> part;
  for (int64_t i = row; i < row + rows; ++i) {
    const auto from = image.begin() + (i * w + column) * c;
    part.insert(part.end(), from, from + columns * c);
  }
  return part;
}

TEST(CudaConv2d, BitsDoNotDependOnPositionImageOrSize) {
  for (const Sized& s : every_kernel()) {
    const int64_t h = 25, top = 3, left = 5, rows = 20, margin = 9;
    const int64_t w = s.wgmma ? 75 : 41, columns = w - 6;  // of more than one strip
    const CudaConv whole = s.conv(s.fewest_images(), h, w), part = s.conv(s.images(), rows, columns);
    ASSERT_EQ(kernel_of(s.op, whole, s.device()), s.kernel) << s.name;
    const int64_t in = input_channels(s), out = output_channels(s), is = s.input_scale, os = s.output_scale;
    const std::vector<float> input = normal_values(whole.x.n * h * w * is * is * in, 1),
                             weight = normal_values(whole.weight.size(), 2, 0.1);
    const std::vector<float> cut = window(input, w * is, in, top * is, left * is, rows * is, columns * is);
    std::vector<float> images = normal_values(static_cast<int64_t>(cut.size()) * (s.images() - 1), 3);
    images.insert(images.end(), cut.begin(), cut.end());  // the last image
    const std::vector<float> all = run_cuda(s.op, whole, input, weight, {}, s.device()).values;
    std::vector<float> last = run_cuda(s.op, part, images, weight, {}, s.device()).values;
    last.erase(last.begin(), last.end() - static_cast<std::ptrdiff_t>(last.size()) / s.images());
    const int64_t inner_rows = (rows - 2 * margin) * os, inner_columns = (columns - 2 * margin) * os;
    EXPECT_TRUE(same_bits(
        window(all, w * os, out, (top + margin) * os, (left + margin) * os, inner_rows, inner_columns),
        window(last, columns * os, out, margin * os, margin * os, inner_rows, inner_columns)))
        << s.name;
  }
}

TEST(CudaConv2d, BitsDoNotDependOnTheNumberOfBlocksOrTheSchedule) {
  for (const Sized& s : every_kernel()) {
    const CudaConv conv = s.conv(s.images(), 9, 34);
    const std::vector<float> input = normal_values(
                                 s.images() * 9 * 34 * s.input_scale * s.input_scale * input_channels(s), 1),
                             weight = normal_values(conv.weight.size(), 2, 0.1);
    const std::vector<float> first = run_cuda(s.op, conv, input, weight, {}, s.device(1)).values;
    int multiprocessors = 132;  // then fewer than tiles
    in_every_schedule([&] {
      EXPECT_TRUE(same_bits(first, run_cuda(s.op, conv, input, weight, {}, s.device(multiprocessors)).values))
          << s.name;
      multiprocessors = 3;
    });
  }
}

// Strips of 64 pixels and their pieces begin elsewhere for another size, place and number of multiprocessors.
TEST(CudaConv2d, BitsOfTheUpsamplerOnHopperDependOnNothingButTheValues) {
  const int64_t h = 33, w = 71, top = 3, left = 5, rows = 27, columns = 61, margin = 9, c = 64;
  const auto conv = [&](int64_t height, int64_t width) {
    return upsampler(2, 1, height, width, 1, {DType::f32, DType::f16, Math::fp16});
  };
  const std::vector<float> input = normal_values(h * w * c, 1),
                           weight = normal_values(conv(h, w).weight.size(), 2, 0.1);
  cuda::ConvDevice device = kHopper;
  const std::vector<float> all = run_cuda(ConvOp::grad_input, conv(h, w), input, weight, {}, device).values;
  const auto inner = [&](const std::vector<float>& image, int64_t width, int64_t row, int64_t column) {
    return window(image, 2 * width, 1, 2 * row, 2 * column, 2 * (rows - 2 * margin),
                  2 * (columns - 2 * margin));
  };
  in_every_schedule([&] {
    const std::vector<float> part =
        run_cuda(ConvOp::grad_input, conv(rows, columns), window(input, w, c, top, left, rows, columns),
                 weight, {}, device)
            .values;
    EXPECT_TRUE(same_bits(inner(all, w, top + margin, left + margin), inner(part, columns, margin, margin)))
        << device.multiprocessors;
    device.multiprocessors *= 4;
  });
}

/// Whatever the order of threads and the number of multiprocessors.
void expect_same_weight_gradient_bits(const CudaConv& conv, cuda::ConvDevice device) {
  const std::vector<float> x = normal_values(conv.x.size(), 1), dy = normal_values(conv.y().size(), 2);
  device.multiprocessors = 1;
  CudaRun first;
  in_every_schedule([&] {
    const CudaRun run = run_cuda_grad_weight(conv, x, dy, device);
    if (first.values.empty()) first = run;
    EXPECT_TRUE(same_bits(first.values, run.values) && same_bits(first.own, run.own)) << conv.name;
    device.multiprocessors = 132;
  });
}

TEST(CudaConv2d, WeightGradientsHaveTheSameBitsInEverySchedule) {
  const CudaConv convs[] = {layer_conv(kTensorLayers[6], 3, 13, 37, kTensorTypes[0]),
                            layer_conv(kTensorLayers[5], 1, 13, 37, kTensorTypes[2]),
                            layer_conv(kTensorLayers[7], 1, 13, 37, kTensorTypes[1]),
                            first_layer(3, 13, 37, kFromImage),
                            upsampler(2, 2, 13, 37, 1, kFromImage),
                            layer_conv(kTensorLayers[2], 3, 13, 37, {}),
                            layer_conv(kTensorLayers[3], 3, 13, 37, {}),
                            upsampler(2, 2, 13, 37, 1, {})};
  for (const CudaConv& conv : convs) expect_same_weight_gradient_bits(conv, {});
  if (!cuda::has_wgmma()) return;
  // Several pieces for a block would take more pixels than 132.
  expect_same_weight_gradient_bits(layer_conv(kTensorLayers[1], 3, 19, 37, kTensorTypes[2]), kHopper);
  expect_same_weight_gradient_bits(layer_conv(kTensorLayers[6], 3, 13, 37, kTensorTypes[2]), kHopper);
  for (const int layer : {0, 1, 6})
    expect_same_weight_gradient_bits(layer_conv(kTensorLayers[layer], 3, 13, 37, kTensorTypes[layer % 2]),
                                     kHopper);
}

/// The epilogue as separate passes over exact sums.
std::vector<float> separate_passes(const std::vector<double>& sums, DType type, int64_t c,
                                   const CudaEpilogue& e) {
  std::vector<float> result;
  for (size_t i = 0; i < sums.size(); ++i) {
    const auto channel = static_cast<int64_t>(i) % c;
    float v = static_cast<float>(sums[i]) + e.bias[static_cast<size_t>(channel)];
    v = stored(type, v > 0 ? v : e.leak * v);
    int64_t begin = 0;
    for (size_t k = 0; k < e.added.size(); ++k) {
      const int64_t own = channel - begin;
      if (own >= 0 && own < e.added_c[k])
        v += stored(type, e.added[k][static_cast<size_t>(static_cast<int64_t>(i) / c * e.added_c[k] + own)]);
      begin += e.added_c[k];
    }
    if (!e.mask.empty()) v *= stored(type, e.mask[i]) > 0 ? 1.0f : e.mask_leak;
    result.push_back(stored(type, v));
  }
  return result;
}

TEST(CudaConv2d, EpilogueHasTheBitsOfSeparatePasses) {
  for (const Sized& s : every_kernel()) {
    const int64_t images = s.fewest_images();
    const CudaConv conv = s.conv(images, 9, 35);
    const int64_t c = output_channels(s), pixels = images * 9 * 35 * s.output_scale * s.output_scale;
    const int largest =
        std::min(127, static_cast<int>(4000 / std::sqrt(static_cast<double>(conv.terms(s.op)))));
    const std::vector<float> input = exact_values(
                                 images * 9 * 35 * s.input_scale * s.input_scale * input_channels(s), largest,
                                 1),
                             weight = exact_values(conv.weight.size(), largest, 2);
    const DType type = s.op == ConvOp::conv2d ? conv.types.y : conv.types.x;
    const std::vector<double> sums = reference_of(s.op, conv, input, weight).values;
    CudaEpilogue e;
    e.bias = exact_values(c, 127, 3), e.leak = 0.05f, e.mask_leak = 0.05f;
    e.own = algorithm_of(s.op, conv, s.device()).writes_own;
    const int64_t first = c > 16 ? c - 16 : c;
    for (const int part : {0, 1, 2}) {  // nothing added; one tensor; two, where there are channels for two
      e.added.clear(), e.added_c.clear(), e.mask.clear();
      if (part > 0) {
        e.added_c = part == 1 ? std::vector<int64_t>{c} : std::vector<int64_t>{first};
        if (part == 2 && c > first) e.added_c.push_back(c - first);
        for (size_t k = 0; k < e.added_c.size(); ++k) {
          e.added.push_back(normal_values(pixels * e.added_c[k], 4 + k));
        }
      }
      if (part != 1) e.mask = normal_values(pixels * c, 9);
      const CudaRun run = run_cuda(s.op, conv, input, weight, e, s.device());
      EXPECT_TRUE(same_bits(run.values, separate_passes(sums, type, c, e))) << s.name << ", case " << part;
      if (!e.own) continue;
      CudaEpilogue only;
      only.bias = e.bias, only.leak = e.leak;
      EXPECT_TRUE(same_bits(run.own, separate_passes(sums, type, c, only))) << s.name << ", case " << part;
    }
  }
}

float to_tf32(float v) {
  uint32_t bits;
  std::memcpy(&bits, &v, 4);
  bits = (bits + 0x1000u) & 0xffffe000u;
  std::memcpy(&v, &bits, 4);
  return v;
}

std::vector<float> each(const std::vector<float>& values, float (*f)(float)) {
  std::vector<float> result;
  for (const float v : values) result.push_back(f(v));
  return result;
}

/// The result for operands rounded as `rounded` does is the truth up to float32 sums: each of n additions is
/// off by at most one unit of the sum of magnitudes (2^-23, for tensor cores may truncate).
void expect_rounded(ConvOp op, const CudaConv& conv, float (*rounded)(float),
                    const cuda::ConvDevice& device = kSmallDevice) {
  const std::vector<float> x = normal_values(conv.x.size(), 1), dy = normal_values(conv.y().size(), 2),
                           w = normal_values(conv.weight.size(), 3);
  const std::vector<float>&first = op == ConvOp::grad_input ? dy : x,
        &second = op == ConvOp::grad_weight ? dy : w;
  const auto magnitude = [](float v) { return std::abs(v); };
  const std::vector<float> a = each(first, rounded), b = each(second, rounded);
  const reference::Array expected = reference_of(op, conv, a, b),
                         sums = reference_of(op, conv, each(a, magnitude), each(b, magnitude));
  const CudaRun run = op == ConvOp::grad_weight ? run_cuda_grad_weight(conv, x, dy, device)
                                                : run_cuda(op, conv, first, w, {}, device);
  double worst = 0;
  for (size_t i = 0; i < run.values.size(); ++i) {
    const double bound = static_cast<double>(conv.terms(op)) * std::pow(2.0, -23) * sums.values[i] + 1e-30;
    const double off = std::abs(static_cast<double>(run.values[i]) - expected.values[i]) / bound;
    if (!(off <= worst)) worst = off;
  }
  EXPECT_LE(worst, 1) << conv.name << ", operation " << static_cast<int>(op);
}

TEST(CudaConv2d, OperandsAreRoundedToNearest) {
  const cuda::ConvTypes tf32{DType::f32, DType::f32, Math::tf32}, fp32{};
  for (const ConvOp op : {ConvOp::conv2d, ConvOp::grad_input, ConvOp::grad_weight}) {
    expect_rounded(op, layer_conv(kTensorLayers[3], 1, 5, 7, tf32), to_tf32);
    if (cuda::has_wgmma()) expect_rounded(op, layer_conv(kTensorLayers[3], 1, 5, 7, tf32), to_tf32, kHopper);
    expect_rounded(op, upsampler(2, 1, 5, 7, 1, tf32), to_tf32);
    expect_rounded(op, layer_conv(kTensorLayers[3], 1, 5, 7, fp32), [](float v) { return v; });
  }
  // Images and their gradients are float32 beside 16-bit channels: rounded on the way to the tensor cores.
  const auto bf16 = [](float v) { return stored(DType::bf16, v); };
  expect_rounded(ConvOp::grad_input, upsampler(2, 1, 5, 7, 1, kFromImage), bf16);
  expect_rounded(ConvOp::grad_weight, upsampler(2, 1, 5, 7, 1, kFromImage), bf16);
}

}  // namespace
}  // namespace sr
