// The CUDA convolutions and their gradients against plain loops in double precision. Inputs are small whole
// numbers of 1/64, so that float32 sums are exact whatever their order, and results must have the bits of the
// rounded truth.
#include <gtest/gtest.h>

#include "tensor/conv2d/conv2d_cuda.h"
#include "tensor/cuda/device.h"
#include "tensor/ops/pointwise.h"
#include "tests/tensor/conv2d/cases.h"
#include "tests/tensor/conv2d/cuda/cases.h"

namespace sr {
namespace {

using cuda::ConvOp;
using cuda::Math;

std::string describe(ConvOp op, const CudaConv& conv) {
  const char* const ops[] = {"conv2d", "grad_input", "grad_weight"};
  const char* const maths[] = {"fp32", "tf32", "bf16", "fp16"};
  return std::string(ops[static_cast<int>(op)]) + " of " + conv.name + " in " +
         maths[static_cast<int>(conv.types.math)];
}

std::vector<float> channel_sums(const std::vector<float>& values, int64_t c) {
  std::vector<float> sums(static_cast<size_t>(c));
  for (size_t i = 0; i < values.size(); ++i) sums[i % sums.size()] += values[i];
  return sums;
}

/// The operation with exact inputs, all outputs compared.
void expect_exact(ConvOp op, const CudaConv& conv, const cuda::ConvDevice& device = kSmallDevice) {
  const std::string what = describe(op, conv);
  const int largest =
      std::min(127, static_cast<int>(std::sqrt(16777216.0 / static_cast<double>(conv.terms(op)))));
  ASSERT_GE(largest, 8) << what << ": too many terms for exact sums that mean anything";
  const std::vector<float> x = exact_values(conv.x.size(), largest, 1),
                           dy = exact_values(conv.y().size(), largest, 2),
                           w = exact_values(conv.weight.size(), largest, 3);
  const CudaRun run = op == ConvOp::conv2d       ? run_cuda(op, conv, x, w, {}, device)
                      : op == ConvOp::grad_input ? run_cuda(op, conv, dy, w, {}, device)
                                                 : run_cuda_grad_weight(conv, x, dy, device);
  const reference::Array expected = op == ConvOp::conv2d       ? reference_of(op, conv, x, w)
                                    : op == ConvOp::grad_input ? reference_of(op, conv, dy, w)
                                                               : reference_of(op, conv, x, dy);
  const DType type = op == ConvOp::conv2d       ? conv.types.y
                     : op == ConvOp::grad_input ? conv.types.x
                                                : DType::f32;
  ASSERT_EQ(run.values.size(), expected.values.size()) << what;
  size_t wrong = 0;
  for (size_t i = 0; i < run.values.size(); ++i) {
    if (run.values[i] == stored(type, static_cast<float>(expected.values[i]))) continue;
    if (wrong++ == 0)
      ADD_FAILURE() << what << ": value " << i << " is " << run.values[i] << ", not " << expected.values[i];
  }
  EXPECT_EQ(wrong, 0u) << what;
  EXPECT_TRUE(run.margins_untouched) << what;
  if (op == ConvOp::grad_weight && !run.own.empty()) {
    EXPECT_EQ(run.own, channel_sums(dy, conv.y().c)) << what << ", bias";
  }
}

const ConvOp kOps[] = {ConvOp::conv2d, ConvOp::grad_input, ConvOp::grad_weight};

TEST(CudaConv2d, TensorCoresGiveEveryLayerAndGradientExactly) {
  for (const cuda::ConvTypes& types : kTensorTypes) {
    for (const CudaLayer& layer : kTensorLayers) {
      for (const ConvOp op : kOps) {
        const CudaConv conv = layer_conv(layer, 1, 9, 37, types);
        ASSERT_EQ(kernel_of(op, conv), "tensor") << describe(op, conv);
        expect_exact(op, conv);
      }
    }
  }
}

TEST(CudaConv2d, TensorCoresTakeSeveralImagesAndSizesBelowATile) {
  for (const cuda::ConvTypes& types : {kTensorTypes[0], kTensorTypes[2]}) {
    for (const ConvOp op : kOps) {
      expect_exact(op, layer_conv(kTensorLayers[2], 3, 9, 33, types));
      expect_exact(op, layer_conv(kTensorLayers[3], 2, 1, 1, types));
      expect_exact(op, layer_conv(kTensorLayers[7], 2, 1, 70, types));
    }
  }
}

// 99 KiB: one buffer where two do not fit, and float32 units where TF32's tiles do not.
TEST(CudaConv2d, AGpuWithLittleSharedMemoryGivesEveryLayerAndGradientExactly) {
  const cuda::ConvDevice device{nullptr, 2, 99 * 1024};
  const cuda::ConvTypes bf16 = kTensorTypes[0], fp16 = kTensorTypes[1], tf32 = kTensorTypes[2];
  for (const ConvOp op : kOps) {
    for (const CudaLayer& layer : kTensorLayers)
      EXPECT_EQ(kernel_of(op, layer_conv(layer, 1, 9, 37, bf16), device), "tensor") << layer.name;
    expect_exact(op, layer_conv(kTensorLayers[0], 1, 9, 37, fp16), device);
    expect_exact(op, layer_conv(kTensorLayers[7], 1, 9, 37, bf16), device);
    const CudaConv wide = layer_conv(kTensorLayers[0], 1, 9, 37, tf32);
    EXPECT_EQ(kernel_of(op, wide, device), op == ConvOp::grad_weight ? "tensor" : "tiled");
    expect_exact(op, wide, device);
    for (const cuda::ConvTypes& types : {cuda::ConvTypes{DType::f32, DType::bf16, Math::bf16},
                                         cuda::ConvTypes{DType::f32, DType::f32, Math::tf32}})
      expect_exact(op, upsampler(2, 1, 5, 33, 1, types), device);
  }
}

// Few multiprocessors take long strips, many take segments of a row; one image of several strips.
TEST(CudaConv2d, StripsGiveEveryLayerOfOneImageExactly) {
  if (!cuda::has_wgmma()) GTEST_SKIP() << "for compute capability 9.0";
  for (const cuda::ConvTypes& types : {kTensorTypes[0], kTensorTypes[1]}) {
    for (const CudaLayer& layer : kTensorLayers) {
      const CudaConv conv = layer_conv(layer, 1, 9, 70, types);
      if (layer.kernel != 3) continue;
      ASSERT_EQ(kernel_of(ConvOp::conv2d, conv, kHopper), "strips") << layer.name;
      expect_exact(ConvOp::conv2d, conv, kHopper);
    }
  }
  cuda::ConvDevice many = kHopper;
  many.multiprocessors = 40;
  for (const ConvOp op : {ConvOp::conv2d, ConvOp::grad_input}) {
    expect_exact(op, layer_conv(kTensorLayers[0], 1, 11, 65, kTensorTypes[0]), many);
    expect_exact(op, layer_conv(kTensorLayers[1], 1, 1, 1, kTensorTypes[1]), kHopper);
    expect_exact(op, layer_conv(kTensorLayers[4], 1, 30, 3, kTensorTypes[0]), kHopper);
  }
}

// Two tiles for each of two multiprocessors; tiles below one another; sizes below a tile; one image.
TEST(CudaConv2d, PatchesGiveEveryLayerAndGradientExactly) {
  if (!cuda::has_wgmma()) GTEST_SKIP() << "for compute capability 9.0";
  for (const cuda::ConvTypes& types : kTensorTypes) {
    for (const CudaLayer& layer : kTensorLayers) {
      for (const ConvOp op : {ConvOp::conv2d, ConvOp::grad_input}) {
        const CudaConv conv = layer_conv(layer, 2, 5, 33, types);
        ASSERT_EQ(kernel_of(op, conv, kHopper), "patches") << describe(op, conv);
        expect_exact(op, conv, kHopper);
      }
    }
    expect_exact(ConvOp::conv2d, layer_conv(kTensorLayers[0], 2, 17, 3, types), kHopper);
    expect_exact(ConvOp::conv2d, layer_conv(kTensorLayers[6], 3, 1, 1, types), kHopper);
    expect_exact(ConvOp::grad_input, layer_conv(kTensorLayers[6], 1, 19, 34, types), kHopper);
  }
}

// Pieces of 32 columns and up to 16 rows: several for a block, below one another, cut by the image's end, of
// odd heights; less than a pair of rows; images one after the other.
TEST(CudaConv2d, WgmmaGivesWeightGradientsInTf32Exactly) {
  if (!cuda::has_wgmma()) GTEST_SKIP() << "for compute capability 9.0";
  const ConvOp op = ConvOp::grad_weight;
  for (const int i : {0, 1, 3, 4, 6}) {
    const auto conv = [&](int64_t n, int64_t h, int64_t w) {
      return layer_conv(kTensorLayers[i], n, h, w, kTensorTypes[2]);
    };
    ASSERT_EQ(kernel_of(op, conv(2, 7, 35), kHopper), "grad_weight_tf32") << describe(op, conv(2, 7, 35));
    expect_exact(op, conv(2, 7, 35), kHopper);
    expect_exact(op, conv(1, 35, 9), kHopper);
    expect_exact(op, conv(3, 1, 1), kHopper);
  }
  expect_exact(op, layer_conv(kTensorLayers[6], 140, 3, 5, kTensorTypes[2]), kHopper);
  expect_exact(op, layer_conv(kTensorLayers[3], 67, 18, 3, kTensorTypes[2]), kHopper);
  for (const int i : {2, 5, 7}) {
    const CudaConv other = layer_conv(kTensorLayers[i], 2, 7, 35, kTensorTypes[2]);
    EXPECT_EQ(kernel_of(op, other, kHopper), "tensor") << describe(op, other);
  }
}

// Tiles to the right and below; so many for a block that its ring of slots goes round; tiles that an image
// fills, and sizes below a tile.
TEST(CudaConv2d, HopperGivesTheWeightsGradientOfEveryDenseLayerExactly) {
  if (!cuda::has_wgmma()) GTEST_SKIP() << "for compute capability 9.0";
  for (const cuda::ConvTypes& types : {kTensorTypes[0], kTensorTypes[1]}) {
    for (const CudaLayer& layer : kTensorLayers) {
      const CudaConv conv = layer_conv(layer, 2, 9, 37, types);
      const bool dense = layer.groups == 1 && layer.kernel == 3;
      ASSERT_EQ(kernel_of(ConvOp::grad_weight, conv, kHopper), dense ? "grad_weight" : "tensor")
          << layer.name;
      EXPECT_TRUE(cuda::conv2d_grads_bias(dims_of(conv, layer.c, layer.o), types, kHopper)) << layer.name;
      if (dense) expect_exact(ConvOp::grad_weight, conv, kHopper);
    }
  }
  expect_exact(ConvOp::grad_weight, layer_conv(kTensorLayers[6], 265, 1, 2, kTensorTypes[0]), kHopper);
  expect_exact(ConvOp::grad_weight, layer_conv(kTensorLayers[3], 529, 1, 1, kTensorTypes[1]), kHopper);
  expect_exact(ConvOp::grad_weight, layer_conv(kTensorLayers[1], 1, 5, 64, kTensorTypes[1]), kHopper);
  expect_exact(ConvOp::grad_weight, layer_conv(kTensorLayers[4], 1, 30, 3, kTensorTypes[0]), kHopper);
}

Tensor exact_tensor(const Shape& shape, uint64_t seed) {
  Tensor t(shape);
  const std::vector<float> values = exact_values(shape.size(), 3, seed);
  std::copy(values.begin(), values.end(), t.data());
  return t;
}

// Against two convolutions on the processor, which are exact too; what is between is rounded as it is stored.
TEST(CudaConv2d, TheEndOfABlockInOneKernelIsExact) {
  if (!cuda::has_wgmma()) GTEST_SKIP() << "for compute capability 9.0";
  const cuda::Precision before = cuda::precision();
  const Conv2dOptions options{.pad_begin = 1, .pad_end = 1, .leak = 0.5f}, options2{.leak = 0.25f};
  const Tensor weight = exact_tensor({80, 3, 3, 48}, 1), bias = exact_tensor({1, 1, 1, 80}, 2),
               weight2 = exact_tensor({64, 1, 1, 80}, 3), bias2 = exact_tensor({1, 1, 1, 64}, 4);
  const Tensor w = weight.to(Device::cuda), b = bias.to(Device::cuda), w2 = weight2.to(Device::cuda),
               b2 = bias2.to(Device::cuda);
  for (const cuda::Precision precision : {cuda::Precision::bf16, cuda::Precision::fp16}) {
    cuda::set_precision(precision);
    const auto stored = [&](const Tensor& t) {
      return convert(t.to(Device::cuda), cuda::storage(precision));
    };
    const auto rounded = [&](const Tensor& t) { return convert(stored(t), DType::f32).to(Device::cpu); };
    for (const auto& [rows, columns] : {std::pair<int64_t, int64_t>{9, 70}, {1, 1}, {20, 64}}) {
      const Tensor x = exact_tensor({1, rows, columns, 48}, 5),
                   wide = exact_tensor({1, rows, columns, 64}, 6),
                   other = exact_tensor({1, rows, columns, 64}, 7);
      const Tensor z = rounded(
          add_concat(rounded(conv2d(x, weight, bias, options)), {wide, other.channels(0, 16).clone()}));
      const Tensor expected = rounded(conv2d(z, weight2, bias2, options2));
      const std::vector<Tensor> added{stored(wide), stored(other).channels(0, 16)};
      ASSERT_TRUE(cuda::fuses(stored(x), w, options, added, w2, options2));
      const Tensor y = conv2d_then_conv2d(stored(x), w, b, options, added, w2, b2, options2);
      EXPECT_EQ(convert(y, DType::f32).to(Device::cpu).to_vector(), expected.to_vector())
          << rows << 'x' << columns;
    }
  }
  cuda::set_precision(before);
}

TEST(CudaConv2d, Float32UnitsGiveEveryLayerAndGradientExactly) {
  const cuda::ConvDevice device{nullptr, 2, 99 * 1024};
  for (const ConvOp op : kOps) {
    for (const CudaLayer& layer : kTensorLayers) {
      const CudaConv conv = layer_conv(layer, 1, 9, 37, {});
      ASSERT_EQ(kernel_of(op, conv, device), "tiled") << describe(op, conv);
      expect_exact(op, conv, device);
    }
    expect_exact(op, layer_conv(kTensorLayers[2], 3, 9, 33, {}), device);
    expect_exact(op, layer_conv(kTensorLayers[3], 2, 1, 1, {}), device);
    expect_exact(op, layer_conv(kTensorLayers[7], 2, 1, 70, {}), device);
  }
  for (const int factor : {2, 3, 4}) {
    for (const ConvOp op : kOps) {
      // More than a tile in one direction, for one factor two images.
      const CudaConv conv = factor == 2   ? upsampler(2, 2, 9, 18, 1, {})
                            : factor == 3 ? upsampler(3, 1, 17, 5, 1, {})
                                          : upsampler(4, 1, 3, 33, 1, {});
      ASSERT_EQ(kernel_of(op, conv, device), "tiled") << describe(op, conv);
      expect_exact(op, conv, device);
    }
  }
}

TEST(CudaConv2d, ImageLayerIsExactInEveryStorage) {
  for (const DType y : {DType::f32, DType::bf16, DType::f16}) {
    for (const ConvOp op : kOps) {
      const CudaConv conv =
          first_layer(2, 13, 21, {DType::f32, y, y == DType::f16 ? Math::fp16 : Math::bf16});
      ASSERT_EQ(kernel_of(op, conv), op == ConvOp::grad_input ? "plain" : "image");
      expect_exact(op, conv);
    }
  }
}

TEST(CudaConv2d, UpsamplerAndItsGradientsAreExactForEveryFactor) {
  for (const int factor : {2, 3, 4}) {
    for (const cuda::ConvTypes& types : {cuda::ConvTypes{DType::f32, DType::bf16, Math::bf16},
                                         cuda::ConvTypes{DType::f32, DType::f16, Math::fp16},
                                         cuda::ConvTypes{DType::f32, DType::f32, Math::tf32}}) {
      for (const ConvOp op : kOps) {
        // One tile and a bit to the right or, once, below.
        const bool low = factor == 2 && types.math == Math::bf16;
        const CudaConv conv = upsampler(factor, 1, low ? 17 : 5, low ? 9 : 33, 1, types);
        ASSERT_EQ(kernel_of(op, conv), "subpixel") << describe(op, conv);
        expect_exact(op, conv);
      }
    }
  }
}

TEST(CudaConv2d, UpsamplerOfOneImageOnHopperIsExactForEveryFactor) {
  for (const int factor : {2, 3, 4}) {
    for (const cuda::ConvTypes& types : {cuda::ConvTypes{DType::f32, DType::bf16, Math::bf16},
                                         cuda::ConvTypes{DType::f32, DType::f16, Math::fp16}}) {
      // A strip and a bit in one piece, and a narrow one in several; the last fine pixels are not wanted.
      const bool low = (factor + static_cast<int>(types.math)) % 2 == 0;
      const CudaConv conv = upsampler(factor, 1, low ? 23 : 3, low ? 9 : 67, 1, types);
      ASSERT_EQ(kernel_of(ConvOp::grad_input, conv, kHopper), "subpixel_strips");
      expect_exact(ConvOp::grad_input, conv, kHopper);
    }
  }
}

TEST(CudaConv2d, UpsamplerTakesSeveralImagesAndChannels) {
  const cuda::ConvTypes types{DType::f32, DType::bf16, Math::bf16};
  for (const ConvOp op : kOps) {
    expect_exact(op, upsampler(2, 2, 5, 7, 2, types));
    expect_exact(op, upsampler(3, 1, 5, 7, 3, types));
  }
}

TEST(CudaConv2d, PlainKernelsServeEveryShapeAndStorage) {
  int i = 0;
  for (const Conv2dCase& c : kConv2dCases) {
    const cuda::ConvTypes types[] = {{DType::f32, DType::f32, Math::fp32},
                                     {DType::bf16, DType::f32, Math::fp32},
                                     {DType::f32, DType::f16, Math::fp32},
                                     {DType::f16, DType::bf16, Math::fp32}};
    for (const ConvOp op : kOps) {
      const CudaConv conv{c.name, c.x, c.weight, c.options, types[i++ % 4]};
      if (kernel_of(op, conv) == "image" || kernel_of(op, conv) == "tiled") continue;
      ASSERT_EQ(kernel_of(op, conv), "plain") << describe(op, conv);
      expect_exact(op, conv);
    }
  }
}

TEST(CudaConv2d, TheWeightsGradientOfNoImagesIsZero) {
  for (const cuda::ConvTypes& types : {cuda::ConvTypes{}, kTensorTypes[0]})
    for (const CudaLayer& layer : {CudaLayer{"an image", 1, 64, 1, 3}, kTensorLayers[0]}) {
      const CudaConv conv = layer_conv(layer, 0, 9, 9, types);
      for (const float v : run_cuda_grad_weight(conv, {}, {}).values) ASSERT_EQ(v, 0.0f) << layer.name;
    }
}

TEST(CudaConv2d, ShapesWithoutAKernelOfTheirOwnTakeThePlainOne) {
  const cuda::ConvTypes bf16 = kTensorTypes[0];
  const auto kernel = [](const CudaConv& conv) { return kernel_of(ConvOp::conv2d, conv); };
  EXPECT_EQ(kernel(layer_conv({"", 64, 56, 1, 3}, 1, 9, 9, bf16)), "plain");
  EXPECT_EQ(kernel(layer_conv({"", 64, 64, 2, 3}, 1, 9, 9, bf16)), "plain");
  EXPECT_EQ(kernel(layer_conv(kTensorLayers[0], 1, 9, 9, {DType::bf16, DType::f32, Math::bf16})), "plain");
  CudaConv unpadded = layer_conv(kTensorLayers[0], 1, 9, 9, bf16);
  unpadded.options.pad_begin = unpadded.options.pad_end = 0;
  EXPECT_EQ(kernel(unpadded), "plain");
  const CudaConv conv = layer_conv(kTensorLayers[0], 1, 9, 9, bf16);
  EXPECT_STREQ(cuda::conv2d_algorithm(ConvOp::conv2d, dims_of(conv, 68, 64), bf16, kSmallDevice).name,
               "plain");
  EXPECT_STREQ(cuda::conv2d_algorithm(ConvOp::conv2d, dims_of(conv, 72, 64), bf16, kSmallDevice).name,
               "tensor");
  EXPECT_STREQ(cuda::conv2d_algorithm(ConvOp::conv2d, dims_of(conv, 66, 64), {}, kSmallDevice).name, "plain");
  EXPECT_STREQ(cuda::conv2d_algorithm(ConvOp::conv2d, dims_of(conv, 68, 64), {}, kSmallDevice).name, "tiled");
}

}  // namespace
}  // namespace sr
