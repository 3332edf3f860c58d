// The kernels at both ends of a tile: with the CPU's network between them, the samples are upscale_tile's.
#include "scene/tile/tile_kernels.h"

#include <cmath>

#include "scene/tile/tile_on_cuda.h"
#include "tensor/ops/resize_cuda.h"
#include "tests/support/cuda_arrays.h"

namespace sr {
namespace {

Model small_model(int factor, int nchan) {
  NetworkOptions o;
  o.factor = factor, o.crop_begin = 9 - factor, o.num_Dist_blocks = 1, o.nchan = nchan;
  Model model(o, 3);
  for (int k = 0; k < nchan; ++k) {
    model.means.gt[static_cast<size_t>(k)] = 0.45 + 0.01 * k;
    model.means.down[static_cast<size_t>(k)] = 0.44 + 0.02 * k;
    model.means.bic_up[static_cast<size_t>(k)] = 0.43 + 0.03 * k;
  }
  return model;
}

// Samples all over their type's range of values, a little beyond `range`.
Raster random_raster(const Window& window, int bands, SampleType type, const ValueRange& range,
                     uint64_t seed) {
  Random random{seed};
  Raster raster(window, bands, type);
  with_sample_type(type, [&](auto zero) {
    using S = decltype(zero);
    for (int64_t i = 0; i < window.pixels() * bands; ++i)
      raster.data<S>()[i] =
          to_sample<S>(range.low + (range.high - range.low) * (1.2 * random.uniform() - 0.1));
  });
  return raster;
}

// One tile through the kernels, with the CPU's network between them.
class DeviceTile {
 public:
  DeviceTile(const Model& model, const SceneSettings& settings, const cuda::Queue& queue)
      : model_(model), s_(settings), queue_(queue) {}

  Raster operator()(const Raster& window, const Tile& tile) {
    const int64_t pixels = window.window.pixels();
    const DeviceArray<std::byte> samples(window.samples);
    const DeviceArray<float> values(static_cast<size_t>(pixels * s_.bands));
    const DeviceArray<cuda::BandForm> forms(cuda::band_forms(s_));
    cuda::normalize_samples(queue_, window.type, pixels, s_.bands, forms.data(), samples.data(),
                            values.data());
    const Tensor residual = residuals({values.data(), s_.bands}, window.window);
    const DeviceArray<float> on_device(residual.to_vector());
    const DeviceArray<float> weights(cuda::enlarging_weights(s_.factor));
    const DeviceArray<float> offset(offsets());
    cuda::Residual r;
    r.data = on_device.data(), r.width = tile.read.w * s_.factor, r.offset = offset.data();
    const DeviceArray<int> overflow(std::vector<int>{0});
    r.overflow = overflow.data();
    r.pitch = residual.shape().c, r.shared = s_.mode == ColourMode::luma;
    r.step = s_.mode == ColourMode::joint ? 1 : residual.shape().h * residual.shape().w;
    if (r.shared) r.gain = static_cast<float>(coefficients(model_.luma).rgb_gain);
    const cuda::FinishedSamples form{window.type,  s_.bands, s_.alpha_band.value_or(-1),
                                     forms.data(), s_.top,   nodata_range(s_.nodata, window.type)};
    const int f = s_.factor;
    Raster result({tile.core.x * f, tile.core.y * f, tile.core.w * f, tile.core.h * f}, s_.bands,
                  window.type);
    const DeviceArray<std::byte> fine(result.samples.size());
    cuda::finish_samples(queue_, tile.read, tile.core, f, weights.data(), values.data(), r, form,
                         fine.data());
    result.samples = fine.to_vector();
    EXPECT_EQ(overflow.to_vector(), std::vector<int>{0});
    return result;
  }

 private:
  // What the network gives for each of its inputs, one after the other: [inputs, fine h, fine w, channels].
  Tensor residuals(cuda::ConstView values, const Window& window) {
    std::vector<float> all;
    Shape shape{0, window.h * s_.factor, window.w * s_.factor,
                s_.mode == ColourMode::joint ? model_.nchan() : 1};
    for (const int band : s_.mode == ColourMode::per_band ? s_.colour_bands() : std::vector<int>{0}) {
      const NoGrad no_grad;
      const Tensor y = model_.residual(input(values, band, window), {window.y, window.x});
      const std::vector<float> numbers = y.to_vector();
      all.insert(all.end(), numbers.begin(), numbers.end());
      ++shape.n;
    }
    return Tensor::from(shape, all);
  }

  Tensor input(cuda::ConstView values, int band, const Window& window) {
    const int64_t c = s_.mode == ColourMode::joint ? model_.nchan() : 1;
    const DeviceTensor x({1, window.h, window.w, c}, DType::f32, {});
    const std::vector<float> down(model_.means.down.begin(), model_.means.down.end());
    if (s_.mode == ColourMode::luma) {
      cuda::luma_input(queue_, window.pixels(), values, {0, 1, 2}, coefficients(model_.luma), down[0],
                       DType::f32, x.view().data);
    } else {
      const DeviceArray<float> means(down);
      const cuda::ConstView from{static_cast<const float*>(values.data) + band, values.pitch};
      cuda::channels_input(queue_, window.pixels(), c, from, means.data(), DType::f32, x.view().data);
    }
    return x.values();
  }

  std::vector<float> offsets() const {
    std::vector<float> list;
    for (size_t k = 0; k < s_.colour_bands().size(); ++k) {
      const size_t i = s_.mode == ColourMode::joint ? k : 0;
      list.push_back(static_cast<float>(model_.means.gt[i] - model_.means.bic_up[i]));
    }
    return list;
  }

  const Model& model_;
  const SceneSettings& s_;
  cuda::Queue queue_;
};

struct TileCase {
  ColourMode mode;
  int factor, bands, nchan;
  SampleType type;
  ValueRange range;
  std::optional<int> alpha_band{};
  std::optional<double> nodata{};
};

TEST(CudaUpscaleTile, SamplesAreTheCpusInEveryColourModeAndType) {
  using enum SampleType;
  for (const TileCase& c : {TileCase{ColourMode::luma, 2, 3, 1, u8, {0, 255}},
                            {ColourMode::luma, 3, 4, 1, u8, {0, 255}, 3},
                            {ColourMode::per_band, 2, 3, 1, u16, {100, 3000}, 1, 1500.0},
                            {ColourMode::per_band, 4, 1, 1, i16, {-300, 900}, {}, -300.0},
                            {ColourMode::joint, 3, 3, 3, f32, {-1.5, 7}},
                            {ColourMode::per_band, 2, 1, 1, f32, {999.998, 1000.002}, {}, 1000.0},
                            {ColourMode::per_band, 2, 1, 1, i8, {-128, 127}, {}, 127.0},
                            {ColourMode::joint, 2, 2, 2, u32, {0, 4e9}, {}, 0.0},
                            {ColourMode::per_band, 2, 1, 1, i32, {-2e9, 2e9}},
                            {ColourMode::per_band, 2, 1, 1, f64, {1e-3, 2e-3}, {}, 1.5e-3}}) {
    const Model model = small_model(c.factor, c.nchan);
    SceneSettings s;
    s.factor = c.factor, s.mode = c.mode, s.bands = c.bands, s.alpha_band = c.alpha_band, s.nodata = c.nodata;
    s.ranges = {c.range};
    const Window read{0, 0, 19, 13}, core{2, 0, 11, 9};  // at the border above, within elsewhere
    Raster window = random_raster(read, c.bands, c.type, c.range, 5);
    const Tile tile{core, read};
    const Raster expected = upscale_tile(&model, s, window, tile, false).result;
    on_every_queue([&](const cuda::Queue& queue) {
      const Raster got = DeviceTile(model, s, queue)(window, tile);
      EXPECT_EQ(got.samples, expected.samples) << name_of(c.type) << " x" << c.factor;
    });
  }
}

TEST(CudaUpscaleTile, BandsWithRangesOfTheirOwnAConstantOneAndATopAreTheCpus) {
  const Model model = small_model(2, 1);
  const Window read{0, 0, 19, 13}, core{2, 0, 11, 9};
  for (const SampleType type : {SampleType::u16, SampleType::f32}) {
    SceneSettings s;
    s.bands = 5, s.alpha_band = 1, s.constant_bands = {2};
    s.ranges = {{0, 4095}, {0, 65535}, {500, 501}, {100, 900}, {-3, 4}};
    s.top = 3900, s.nodata = 3900;
    const Raster window = random_raster(read, 5, type, {0, 4095}, 5);
    const Tile tile{core, read};
    const Raster expected = upscale_tile(&model, s, window, tile, false).result;
    on_every_queue([&](const cuda::Queue& queue) {
      EXPECT_EQ(DeviceTile(model, s, queue)(window, tile).samples, expected.samples) << name_of(type);
    });
  }
}

TEST(CudaUpscaleTile, WithoutResidualTheResultIsTheBicubicPart) {
  SceneSettings s;
  s.bands = 3, s.factor = 3, s.ranges = {{0, 255}};
  const Window read{4, 6, 12, 10}, core{6, 6, 8, 10};
  const Raster window = random_raster(read, 3, SampleType::u8, s.ranges[0], 2);
  const DeviceArray<std::byte> samples(window.samples);
  const DeviceArray<float> values(window.samples.size()), weights(cuda::enlarging_weights(3));
  const DeviceArray<cuda::BandForm> forms(cuda::band_forms(s));
  cuda::normalize_samples({}, SampleType::u8, 12 * 10, 3, forms.data(), samples.data(), values.data());
  const DeviceArray<std::byte> fine(8 * 10 * 9 * 3);
  cuda::FinishedSamples form;
  form.bands = 3, form.forms = forms.data(), form.top = s.top;
  cuda::finish_samples({}, read, core, 3, weights.data(), values.data(), {}, form, fine.data());
  EXPECT_EQ(fine.to_vector(), upscale_tile(nullptr, s, window, {core, read}, true).bicubic->samples);
}

TEST(CudaUpscaleTile, SamplesWithoutAlignmentAreReadOneByOne) {
  const Raster window = random_raster({0, 0, 35, 7}, 1, SampleType::u16, {0, 1000}, 4);
  std::vector<std::byte> shifted(2);
  shifted.insert(shifted.end(), window.samples.begin(), window.samples.end());
  const DeviceArray<std::byte> aligned(window.samples), odd(shifted);
  const DeviceArray<float> a(245), b(245);
  const DeviceArray<cuda::BandForm> forms(std::vector<cuda::BandForm>{{3, 997, 1.0 / 997}});
  cuda::normalize_samples({}, SampleType::u16, 245, 1, forms.data(), aligned.data(), a.data());
  cuda::normalize_samples({}, SampleType::u16, 245, 1, forms.data(), odd.data() + 2, b.data());
  EXPECT_EQ(a.to_vector(), b.to_vector());
  EXPECT_EQ(
      a.to_vector()[244],
      static_cast<float>((double{static_cast<double>(window.data<uint16_t>()[244])} - 3) * (1.0 / 997)));
}

TEST(CudaUpscaleTile, InputsAreStoredInEveryTypeAndLimited) {
  Random random{8};
  Tensor x = random_normal({1, 9, 31, 3}, 1, random);
  x.data()[4] = 3e38f, x.data()[8] = -3e38f;
  const std::vector<float> means{0.25f, 0.5f, 0.75f};
  const DeviceTensor values(x, DType::f32, {1, 2});
  const DeviceArray<float> on_device(means);
  const LumaCoefficients luma = coefficients(LumaConvention::studio);
  Tensor channels(x.shape()), y(Shape{1, 9, 31, 1});
  const auto limited = [](float v) { return std::clamp(v, -1.0f, 2.0f); };
  for (int64_t p = 0; p < y.shape().size(); ++p) {
    const float* v = x.data() + 3 * p;
    for (size_t k = 0; k < 3; ++k)
      channels.data()[3 * p + static_cast<int64_t>(k)] = limited(v[k]) - means[k];
    y.data()[p] = limited(static_cast<float>(luma.offset + luma.r * double{v[0]} + luma.g * double{v[1]} +
                                             luma.b * double{v[2]})) -
                  0.25f;
  }
  for (const DType dtype : kDTypes)
    on_every_queue([&](const cuda::Queue& queue) {
      const DeviceTensor a(x.shape(), dtype, {}), b(y.shape(), dtype, {});
      cuda::channels_input(queue, 9 * 31, 3, values.view(), on_device.data(), dtype, a.view().data);
      cuda::luma_input(queue, 9 * 31, values.view(), {0, 1, 2}, luma, 0.25f, dtype, b.view().data);
      EXPECT_TRUE(same_bits(a.values(), stored_as(channels, dtype))) << dtype;
      EXPECT_TRUE(same_bits(b.values(), stored_as(y, dtype))) << dtype;
    });
}

}  // namespace
}  // namespace sr
