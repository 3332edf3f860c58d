// The element-by-element kernels against the CPU's operations.
#include "tensor/ops/pointwise_cuda.h"

#include <cmath>

#include "tensor/ops/pointwise.h"
#include "tensor/ops/reduce.h"
#include "tensor/ops/reduce_cuda.h"
#include "tests/support/cuda_arrays.h"

namespace sr {
namespace {

// Sizes and places that take every path: whole 16-byte vectors, a rest of channels, gaps of whole vectors and
// of less, an odd start, no gaps in several pieces, one element.
struct Case {
  Shape shape;
  Placement in, out;
};
std::vector<Case> cases() {
  return {{{1, 1, 1, 1}, {}, {}},           {{1, 3, 5, 64}, {}, {}},
          {{2, 7, 9, 16}, {16, 48}, {}},    {{2, 7, 9, 48}, {16, 16}, {0, 16}},
          {{1, 5, 7, 13}, {8, 19}, {8, 3}}, {{1, 5, 7, 13}, {3, 2}, {1, 0}},
          {{1, 53, 79, 1}, {}, {}},         {{1, 37, 41, 3}, {1, 1}, {}}};
}

// (a + b) times the slope, in float32 until it is stored.
Tensor finished(const Tensor& a, const Tensor* b, const Tensor* mask) {
  Tensor y = b ? add(a, *b) : a.clone();
  for (int64_t i = 0; mask && i < y.shape().size(); ++i)
    if (!(mask->data()[i] > 0)) y.data()[i] *= 0.05f;
  return y;
}

TEST(CudaPointwise, FinishAddsAndTakesTheSlopeOfAMask) {
  Random random{1};
  for (const DType dtype : kDTypes)
    for (const Case& c : cases()) {
      const Tensor a = random_values(c.shape, dtype, random), b = random_values(c.shape, dtype, random);
      Tensor mask = random_values(c.shape, dtype, random);
      mask.data()[0] = 0;  // the kink counts as below it
      const DeviceTensor da(a, dtype, c.in), db(b, dtype, c.out), dmask(mask, dtype, c.in);
      for (const int part : {1, 2, 3}) {
        const bool adds = part & 1, masks = part & 2;
        const Tensor expected = stored_as(finished(a, adds ? &b : nullptr, masks ? &mask : nullptr), dtype);
        on_every_queue([&](const cuda::Queue& queue) {
          const DeviceTensor y(c.shape, dtype, c.out);
          cuda::finish(queue, dtype, c.shape.pixels(), c.shape.c, da.view(),
                       adds ? db.view() : cuda::ConstView{}, masks ? dmask.view() : cuda::ConstView{}, 0.05f,
                       y.view());
          EXPECT_TRUE(same_bits(y.values(), expected)) << c.shape << ' ' << dtype << ", part " << part;
        });
      }
    }
}

TEST(CudaPointwise, FinishMayWriteOverAnInput) {
  Random random{1};
  const Shape s{1, 9, 11, 20};
  const Tensor a = random_values(s, DType::bf16, random), b = random_values(s, DType::bf16, random);
  const DeviceTensor da(a, DType::bf16, {8, 4}), db(b, DType::bf16, {});
  cuda::finish({}, DType::bf16, s.pixels(), s.c, da.view(), db.view(), {}, 1, da.view());
  EXPECT_TRUE(same_bits(da.values(), stored_as(add(a, b), DType::bf16)));
}

TEST(CudaPointwise, ScaleIsTheCpus) {
  Random random{2};
  for (const DType dtype : kDTypes)
    for (const Case& c : cases()) {
      const Tensor x = random_values(c.shape, dtype, random);
      const DeviceTensor dx(x, dtype, c.in);
      on_every_queue([&](const cuda::Queue& queue) {
        const DeviceTensor y(c.shape, dtype, c.out);
        cuda::scale(queue, dtype, c.shape.pixels(), c.shape.c, dx.view(), -0.3f, y.view());
        EXPECT_TRUE(same_bits(y.values(), stored_as(scale(x, -0.3f), dtype))) << c.shape << ' ' << dtype;
      });
    }
}

TEST(CudaPointwise, LeakyReluGradsAreTheCpusAndTheirSumIsExactToTheLastBits) {
  Random random{3};
  for (const DType dtype : kDTypes)
    for (const Case& c : cases()) {
      Tensor dy = random_values(c.shape, dtype, random), y = random_values(c.shape, dtype, random);
      y.data()[0] = 0;  // the kink counts as below it
      const DeviceTensor d_dy(dy, dtype, c.in), d_y(y, dtype, c.out);
      const LeakyReluGrads expected = leaky_relu_grads(dy, y, 0.05f);
      std::vector<float> first;
      on_every_queue([&](const cuda::Queue& queue) {
        const DeviceTensor dz(c.shape, dtype, c.out);
        const int64_t pixels = c.shape.pixels(), channels = c.shape.c;
        DeviceArray<float> dbias(static_cast<size_t>(channels));
        DeviceArray<double> pieces(static_cast<size_t>(cuda::sum_workspace(pixels, channels)));
        cuda::leaky_relu_grads(queue, dtype, pixels, channels, d_dy.view(), d_y.view(), 0.05f, dz.view(),
                               pieces.data());
        const cuda::ChannelPieces one{pieces.data(), pixels, channels, dbias.data()};
        cuda::add_pieces(queue, {&one, 1});
        EXPECT_TRUE(same_bits(dz.values(), stored_as(expected.dz, dtype))) << c.shape << ' ' << dtype;
        const std::vector<float> sums = dbias.to_vector();
        for (size_t k = 0; k < sums.size(); ++k)  // both are sums in double, rounded to float32
          EXPECT_NEAR(sums[k], expected.dbias.data()[k], 2e-7 * std::abs(sums[k]) + 1e-12)
              << c.shape << ' ' << dtype;
        if (first.empty()) first = sums;
        EXPECT_EQ(sums, first) << c.shape << ' ' << dtype;
      });
    }
}

TEST(CudaPointwise, LeakyReluGradsHaveTheSameBitsForAViewAndForACopy) {
  Random random{4};
  const Shape s{1, 20, 29, 20};
  const Tensor dy = random_values(s, DType::f32, random), y = random_values(s, DType::f32, random);
  std::vector<float> sums[2];
  for (const int odd : {0, 1}) {  // with 16-byte accesses and without
    const DeviceTensor d_dy(dy, DType::f32, {odd, odd}), d_y(y, DType::f32, {}), dz(s, DType::f32, {});
    DeviceArray<float> dbias(20);
    DeviceArray<double> pieces(static_cast<size_t>(cuda::sum_workspace(s.pixels(), s.c)));
    cuda::leaky_relu_grads({}, DType::f32, s.pixels(), s.c, d_dy.view(), d_y.view(), 0.05f, dz.view(),
                           pieces.data());
    const cuda::ChannelPieces one{pieces.data(), s.pixels(), s.c, dbias.data()};
    cuda::add_pieces({}, {&one, 1});
    sums[odd] = dbias.to_vector();
  }
  EXPECT_EQ(sums[0], sums[1]);
}

TEST(CudaPointwise, AddConcatIsTheCpusForAnyNumberOfParts) {
  Random random{5};
  for (const DType dtype : kDTypes)
    for (const std::vector<int64_t>& widths :
         {std::vector<int64_t>{64, 16}, {16}, {3, 1, 5}, {8, 8, 8, 16, 8, 24}, {8, 3, 8}}) {
      Shape s{1, 5, 13, 0};
      for (const int64_t w : widths) s.c += w;
      const Tensor x = random_values(s, dtype, random);
      std::vector<Tensor> parts;
      std::vector<std::unique_ptr<DeviceTensor>> on_device;
      std::vector<cuda::ConcatPart> views;
      for (const int64_t w : widths) {
        parts.push_back(random_values({s.n, s.h, s.w, w}, dtype, random));
        on_device.push_back(std::make_unique<DeviceTensor>(parts.back(), dtype, Placement{8, 8}));
        views.push_back({on_device.back()->view(), w});
      }
      const DeviceTensor dx(x, dtype, {});
      on_every_queue([&](const cuda::Queue& queue) {
        const DeviceTensor y(s, dtype, {});
        cuda::add_concat(queue, dtype, s.pixels(), dx.view(), views, y.view());
        EXPECT_TRUE(same_bits(y.values(), stored_as(add_concat(x, parts), dtype))) << s << ' ' << dtype;
      });
    }
}

TEST(CudaPointwise, ChannelsGradIsTheCpus) {
  struct Range {
    int64_t begin, dy_c, c;
  };
  Random random{6};
  for (const DType dtype : kDTypes)
    for (const Range& r :
         {Range{0, 16, 64}, {16, 48, 64}, {0, 8, 8}, {8, 8, 29}, {3, 8, 24}, {8, 5, 24}, {2, 1, 3}}) {
      const Tensor dy = random_values({1, 7, 13, r.dy_c}, dtype, random);
      const DeviceTensor d_dy(dy, dtype, {});
      on_every_queue([&](const cuda::Queue& queue) {
        const DeviceTensor dx({1, 7, 13, r.c}, dtype, {});
        cuda::channels_grad(queue, dtype, 7 * 13, d_dy.view(), r.dy_c, r.begin, r.c, dx.view());
        EXPECT_TRUE(same_bits(dx.values(), channels_grad(dy, r.begin, r.c)))
            << r.begin << ' ' << r.c << ' ' << dtype;
      });
    }
}

TEST(CudaPointwise, NothingIsDoneForNoPixels) {
  DeviceArray<float> dbias(3);
  cuda::finish({}, DType::f32, 0, 3, {}, {}, {}, 1, {});
  cuda::scale({}, DType::f32, 0, 3, {}, 2, {});
  cuda::channels_grad({}, DType::f32, 0, {}, 1, 0, 3, {});
  cuda::leaky_relu_grads({}, DType::f32, 0, 3, {}, {}, 0.05f, {}, nullptr);
  const cuda::ChannelPieces none{nullptr, 0, 3, dbias.data()};
  cuda::add_pieces({}, {&none, 1});
  EXPECT_EQ(dbias.to_vector(), std::vector<float>(3, 0.0f));
}

}  // namespace
}  // namespace sr
