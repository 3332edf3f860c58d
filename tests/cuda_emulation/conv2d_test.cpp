// What the tensor-core convolutions ask of the hardware, by the emulation's counts.
#include <gtest/gtest.h>

#include "autograd/var.h"
#include "idn/model.h"
#include "tensor/cuda/device.h"
#include "tests/cuda_emulation/emulation.h"
#include "tests/tensor/conv2d/cuda/cases.h"

namespace sr {
namespace {

using cuda::ConvOp;
using cuda::Math;

/// mma instructions for one tile of 8x32 pixels, in pairs of k step and tile of eight outputs: all pairs of a
/// k step's and a tile's channels that are of one group, and no others.
TEST(CudaConv2dCounts, GroupsCostOnlyTheTilesThatTheyTouch) {
  const auto pairs = [](ConvOp op, int layer, const cuda::ConvTypes& types) {
    const CudaConv conv = layer_conv(kTensorLayers[layer], 1, 8, 32, types);
    const bool forward = op == ConvOp::conv2d;
    const std::vector<float> input = exact_values((forward ? conv.x : conv.y()).size(), 3, 1),
                             weight = exact_values(conv.weight.size(), 3, 2);
    emulation::take_statistics();
    run_cuda(op, conv, input, weight);
    return static_cast<int>(emulation::take_statistics().mma) / (9 * 16);  // taps, row tiles of 16 pixels
  };
  const cuda::ConvTypes bf16 = kTensorTypes[0], tf32 = kTensorTypes[2];
  EXPECT_EQ(pairs(ConvOp::conv2d, 1, bf16), 4 * 6);  // dense 64 to 48
  EXPECT_EQ(pairs(ConvOp::conv2d, 2, bf16), 3 * 2);  // 48 to 32: a k step meets two groups of eight outputs
  EXPECT_EQ(pairs(ConvOp::conv2d, 5, bf16), 4 * 2);  // 64 to 48: a group of twelve outputs touches two tiles
  EXPECT_EQ(pairs(ConvOp::grad_input, 2, bf16), 2 * 3);  // 32 to 48: two groups, 24 outputs
  EXPECT_EQ(pairs(ConvOp::grad_input, 5, bf16), 3 * 4);  // 48 to 64: a k step meets two groups of 16 outputs
  EXPECT_EQ(pairs(ConvOp::conv2d, 2, tf32), 8);  // steps of eight channels meet 1, 2, 1, 1, 2, 1 groups
}

TEST(CudaConv2dCounts, UpsamplerByTwoMultipliesTwoPixelsAtOnce) {
  const CudaConv up = upsampler(2, 1, 16, 32, 1, {DType::f32, DType::bf16, Math::bf16});
  const std::vector<float> dy = exact_values(up.y().size(), 3, 1), w = exact_values(up.weight.size(), 3, 2);
  emulation::take_statistics();
  run_cuda(ConvOp::grad_input, up, dy, w);
  // 9 x 10 taps, 4 k steps, 16 rows of 16 pairs. A pixel at a time it would be 9 x 9 and 32.
  EXPECT_EQ(emulation::take_statistics().mma, 90u * 4 * 16);
}

// GPUs of sm_86, sm_89 and sm_120.
TEST(CudaConv2dSharedMemory, EveryLayerAndGradientFitsABlockOf99KiB) {
  constexpr int64_t kLimit = 99 * 1024;
  const emulation::Options before = emulation::options();
  emulation::options().shared_memory_limit = kLimit;
  const cuda::ConvDevice device{nullptr, 2, kLimit};
  const auto run = [&](const CudaConv& conv) {
    const std::vector<float> x = exact_values(conv.x.size(), 3, 1), dy = exact_values(conv.y().size(), 3, 2),
                             w = exact_values(conv.weight.size(), 3, 3);
    run_cuda(ConvOp::conv2d, conv, x, w, {}, device);
    run_cuda(ConvOp::grad_input, conv, dy, w, {}, device);
    run_cuda_grad_weight(conv, x, dy, device);
  };
  for (const cuda::ConvTypes& types : kTensorTypes) {
    for (const CudaLayer& layer : kTensorLayers) run(layer_conv(layer, 1, 3, 3, types));
    for (const int factor : {2, 3, 4}) run(upsampler(factor, 1, 3, 3, 1, {DType::f32, types.y, types.math}));
    run(first_layer(1, 3, 3, {DType::f32, types.y, types.math}));
  }
  EXPECT_EQ(emulation::take_errors(), std::vector<std::string>());
  emulation::options() = before;
}

TEST(CudaConv2dCounts, TensorCoreOperandsAreReadWithoutBankConflicts) {
  emulation::take_statistics();
  for (const CudaLayer& layer : kTensorLayers) {
    const CudaConv conv = layer_conv(layer, 1, 8, 32, kTensorTypes[0]);
    const std::vector<float> x = exact_values(conv.x.size(), 3, 1), dy = exact_values(conv.y().size(), 3, 2),
                             w = exact_values(conv.weight.size(), 3, 3);
    run_cuda(ConvOp::conv2d, conv, x, w);
    run_cuda(ConvOp::grad_input, conv, dy, w);
    run_cuda_grad_weight(conv, x, dy);
  }
  for (const int factor : {2, 3, 4}) {
    const CudaConv up = upsampler(factor, 1, 8, 32, 1, {DType::f32, DType::bf16, Math::bf16});
    run_cuda(ConvOp::grad_input, up, exact_values(up.y().size(), 3, 1), exact_values(up.weight.size(), 3, 2));
  }
  const emulation::Statistics statistics = emulation::take_statistics();
  EXPECT_GT(statistics.ldmatrix, 0u);
  EXPECT_EQ(statistics.ldmatrix_conflicts, 0u);
}

// Of such a network in fp16 where nothing is recorded.
uint64_t launches_of(const NetworkOptions& network) {
  const cuda::Precision before = cuda::precision();
  cuda::set_precision(cuda::Precision::fp16);
  Model model(network, 5);
  model.to(Device::cuda);
  const Var image(Tensor::zeros({1, 9, 9, 1}).to(Device::cuda));
  const NoGrad nothing;
  emulation::take_statistics();
  (*model.network)(image);
  cuda::set_precision(before);
  return emulation::take_statistics().launches;
}

// On Hopper conv1 with conv2, conv3, conv4 with conv5, conv6 with the 1x1; and seven weights are packed.
TEST(CudaNetworkCounts, ABlockIsFourKernelsWhereNothingIsRecorded) {
  EXPECT_EQ(launches_of({.num_Dist_blocks = 2}) - launches_of({.num_Dist_blocks = 1}), 4u + 7);
}

// The second feature layer then costs the packing of its weights.
TEST(CudaNetworkCounts, TwoFeatureLayersAreOneKernelWhereNothingIsRecorded) {
  const auto launches = [](int layers) {
    return launches_of({.num_FB_layers = layers, .num_Dist_blocks = 0});
  };
  EXPECT_EQ(launches(2) - launches(1), 1u);
  EXPECT_EQ(launches(3) - launches(2), 2u);
}

}  // namespace
}  // namespace sr
