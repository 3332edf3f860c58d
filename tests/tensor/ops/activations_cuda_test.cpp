// SPAN's activations and the product of matrices against the processor's.
#include "tensor/ops/activations_cuda.h"

#include "tensor/ops/branches_cuda.h"
#include "tensor/ops/pointwise.h"
#include "tests/support/cuda_arrays.h"

namespace sr {
namespace {

// Whole 16-byte vectors, a rest of channels, gaps and an odd start, no gaps in several pieces, one element.
struct Case {
  Shape shape;
  Placement in, out;
};
std::vector<Case> cases() {
  return {{{1, 1, 1, 1}, {}, {}},
          {{2, 7, 9, 48}, {16, 16}, {0, 16}},
          {{1, 5, 7, 13}, {3, 2}, {1, 0}},
          {{1, 53, 79, 1}, {}, {}}};
}

TEST(CudaActivations, HaveTheProcessorsBits) {
  Random random{1};
  for (const DType dtype : kDTypes)
    for (const Case& c : cases()) {
      const int64_t pixels = c.shape.pixels(), channels = c.shape.c;
      const Tensor dy = random_values(c.shape, dtype, random), x = random_values(c.shape, dtype, random),
                   z = stored_as(scale(random_values(c.shape, dtype, random), 30), dtype);
      const DeviceTensor d_dy(dy, dtype, c.in), dx(x, dtype, c.in), dz(z, dtype, c.out);
      const GateGrads grads = gate_grads(dy, z, x);
      on_every_queue([&](const cuda::Queue& queue) {
        const testing::ScopedTrace trace(__FILE__, __LINE__, testing::PrintToString(channels));
        const DeviceTensor y(c.shape, dtype, c.out), y2(c.shape, dtype, c.in);
        cuda::silu(queue, dtype, pixels, channels, dz.view(), y.view());
        EXPECT_TRUE(same_bits(y.values(), stored_as(silu(z), dtype))) << dtype;
        cuda::silu_grad(queue, dtype, pixels, channels, d_dy.view(), dz.view(), y.view());
        EXPECT_TRUE(same_bits(y.values(), stored_as(silu_grad(dy, z), dtype))) << dtype;
        cuda::gate(queue, dtype, pixels, channels, dz.view(), dx.view(), y.view());
        EXPECT_TRUE(same_bits(y.values(), stored_as(gate(z, x), dtype))) << dtype;
        cuda::gate_grads(queue, dtype, pixels, channels, d_dy.view(), dz.view(), dx.view(), y.view(),
                         y2.view());
        EXPECT_TRUE(same_bits(y.values(), stored_as(grads.dz, dtype))) << dtype;
        EXPECT_TRUE(same_bits(y2.values(), stored_as(grads.dx, dtype))) << dtype;
      });
    }
}

TEST(CudaProduct, HasTheProcessorsBits) {
  Random random{2};
  const Tensor a = random_values({14, 1, 1, 35}, DType::f32, random),
               b = random_values({35, 3, 3, 5}, DType::f32, random);
  const DeviceTensor da(a, DType::f32, {}), db(b, DType::f32, {});
  const auto floats = [](const DeviceTensor& x) { return static_cast<const float*>(x.view().data); };
  on_every_queue([&](const cuda::Queue& queue) {
    const DeviceTensor y({14, 3, 3, 5}, DType::f32, {});
    auto* const to = static_cast<float*>(y.view().data);
    cuda::product(queue, {14, 35, 45, 35, 1, 45, 1}, floats(da), floats(db), to);
    EXPECT_TRUE(same_bits(y.values(), product({a, 35}, {b, 45}, {14, 3, 3, 5})));
    const DeviceTensor turned({35, 1, 1, 35}, DType::f32, {});
    cuda::product(queue, {35, 14, 35, 1, 35, 35, 1}, floats(da), floats(da),
                  static_cast<float*>(turned.view().data));
    EXPECT_TRUE(same_bits(turned.values(), product({a, 35, true}, {a, 35}, {35, 1, 1, 35})));
  });
}

}  // namespace
}  // namespace sr
