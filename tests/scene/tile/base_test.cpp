// Tiles of networks that make the image itself.
#include <gtest/gtest.h>

#include <span>

#include "scene/tile/tile.h"
#include "tensor/random.h"

namespace sr {
namespace {

TiffInfo info_of(const Raster& raster) {
  TiffInfo info;
  info.width = raster.window.w, info.height = raster.window.h;
  info.bands = raster.bands, info.type = raster.type;
  return info;
}

NetworkOptions small_network(int factor) {
  return {.factor = factor, .num_Dist_blocks = 1, .crop_begin = 9 - factor, .base = Base::none};
}

TEST(TilesWithoutABase, HaveTheNetworksLumaAtTheColoursOfTheEnlargement) {
  Random random{5};
  Raster rgb({0, 0, 11, 9}, 3, SampleType::f32);
  for (float& value : std::span(rgb.data<float>(), 11 * 9 * 3)) value = static_cast<float>(random.uniform());
  for (const LumaConvention luma : {LumaConvention::full, LumaConvention::studio}) {
    Model model(small_network(3), 6);
    model.luma = luma;
    model.means = {{0.3}, {0.45}, {7}};
    const LumaCoefficients k = coefficients(luma);
    const auto luma_at = [&](const float* v) { return k.offset + k.r * v[0] + k.g * v[1] + k.b * v[2]; };
    Tensor y(Shape{1, 9, 11, 1});
    for (int64_t p = 0; p < 99; ++p)
      y.data()[p] = static_cast<float>(luma_at(rgb.data<float>() + 3 * p) - 0.45);
    const Tensor made = (*model.network)(Var(y)).value();
    const SceneSettings s = scene_settings(info_of(rgb), model.options(), {{0, 1}}, ColourMode::luma);
    const FineTile fine = upscale_tile(&model, s, rgb, {rgb.window, rgb.window}, true);
    for (int64_t p = 0; p < 33 * 27; ++p) {
      const float* up = fine.result.data<float>() + 3 * p;
      const float* bicubic = fine.bicubic->data<float>() + 3 * p;
      ASSERT_NEAR(luma_at(up), made.data()[p] + 0.3, 2e-5);
      ASSERT_NEAR(up[1] - up[0], bicubic[1] - bicubic[0], 2e-5);
      ASSERT_NEAR(up[2] - up[0], bicubic[2] - bicubic[0], 2e-5);
    }
  }
}

TEST(TilesWithoutABase, AreTheNetworksSamplesAndWhatIsBeyondItsInputIsTheEnlargements) {
  Model model(small_network(2));
  for (Parameter& p : model.params->list()) p.var.set_value(Tensor::zeros(p.var.shape()));
  model.means = {{0.25}, {0.5}, {7}};
  Raster raster({0, 0, 16, 16}, 1, SampleType::f32);
  for (int64_t p = 0; p < 256; ++p) raster.data<float>()[p] = p % 16 < 8 ? 1.0f : 0.0f;
  const SceneSettings s = scene_settings(info_of(raster), model.options(), {{0, 2}});
  const Raster flat = upscale_tile(&model, s, raster, {raster.window, raster.window}, false).result;
  for (const float value : std::span(flat.data<float>(), 1024))
    ASSERT_NEAR(value, 0.5, 1e-6);          // mean_gt in samples, and nothing of the picture
  raster.data<float>()[8 * 16 + 8] = 1e6f;  // 5e5 on the network's scale, which sees 2
  const Raster up = upscale_tile(&model, s, raster, {raster.window, raster.window}, false).result;
  EXPECT_GT(up.data<float>()[17 * 32 + 17], 1e5f);
  EXPECT_NEAR(up.data<float>()[2 * 32 + 2], 0.5, 1e-6);
}

}  // namespace
}  // namespace sr
