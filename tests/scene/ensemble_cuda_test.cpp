// The mean over the eight flips and rotations on a GPU, and their spread.
#include <gtest/gtest.h>

#include <cmath>

#include "scene/tile/spread.h"
#include "scene/tile/tile_on_cuda.h"
#include "tensor/ops/symmetry_cuda.h"
#include "tests/support/cuda_arrays.h"

namespace sr {
namespace {

TEST(CudaSymmetry, HasTheProcessorsOrder) {
  Random random{3};
  for (const Shape& shape : {Shape{1, 1, 1, 1}, {2, 5, 7, 3}, {1, 70, 33, 1}}) {
    const Tensor x = random_values(shape, DType::f32, random);
    const DeviceTensor there(x, DType::f32, {});
    for (int s = 0; s < kSymmetries; ++s) {
      const Tensor expected = turned(x, s), back = turned_back(x, s);
      on_every_queue([&](const cuda::Queue& queue) {
        const DeviceTensor y(expected.shape(), DType::f32, {}), z(back.shape(), DType::f32, {});
        cuda::reorder(queue, shape, there.view(), turned_order(shape, s), static_cast<float*>(y.view().data));
        cuda::reorder(queue, shape, there.view(), turned_back_order(shape, s),
                      static_cast<float*>(z.view().data));
        EXPECT_TRUE(same_bits(y.values(), expected)) << shape << s;
        EXPECT_TRUE(same_bits(z.values(), back)) << shape << s;
      });
    }
  }
}

Raster random_raster(const Window& window, int bands) {
  Random random{9};
  Raster raster(window, bands, SampleType::f32);
  for (int64_t i = 0; i < window.pixels() * bands; ++i)
    raster.data<float>()[i] = static_cast<float>(random.uniform());
  return raster;
}

void expect_near(const Raster& a, const Raster& b) {
  ASSERT_EQ(a.window, b.window);
  ASSERT_EQ(a.bands, b.bands);
  for (int64_t i = 0; i < a.window.pixels() * a.bands; ++i) {
    const float x = a.data<float>()[i], y = b.data<float>()[i];
    if (std::isnan(x) || std::isnan(y))
      EXPECT_EQ(std::isnan(x), std::isnan(y)) << i;
    else
      EXPECT_NEAR(x, y, 1e-4) << i;
  }
}

TEST(EnsembleOnCuda, TilesAreTheProcessors) {
  for (const auto& [nchan, base] : {std::pair(1, Base::bicubic), {2, Base::bicubic}, {1, Base::none}}) {
    NetworkOptions options;
    options.base = base;
    options.num_FB_layers = 1, options.num_Dist_blocks = 0, options.nchan = nchan, options.crop_begin = 3;
    const Model model(options, 7);
    TiffInfo info;
    info.width = 19, info.height = 15, info.bands = 2, info.type = SampleType::f32;
    SceneSettings s = scene_settings(info, options, {{0, 1}});
    s.self_ensemble = s.spread = true;
    Raster window = random_raster({0, 0, 19, 15}, 2);
    const Tile tile{{4, 3, 11, 9}, window.window};
    cuda::TileOnCuda on_gpu(model, s);
    const bool all = nchan == 1 && base == Base::bicubic;
    for (int run = 0; run < (all ? 3 : 1); ++run) {  // as it is, recorded, and replayed
      const FineTile here = upscale_tile(&model, s, window, tile, false), there = on_gpu(window, tile, false);
      expect_near(here.result, there.result);
      expect_near(*here.spread, *there.spread);
    }
    if (!all) continue;
    window.data<float>()[2 * (8 * 19 + 9)] = NAN;
    const FineTile here = upscale_tile(&model, s, window, tile, false), there = on_gpu(window, tile, false);
    expect_near(here.result, there.result);
    expect_near(*here.spread, *there.spread);
  }
}

}  // namespace
}  // namespace sr
