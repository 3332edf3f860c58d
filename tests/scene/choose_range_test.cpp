// Scenes from file to file: each band on its own range, flat ground, the top of the samples.
#include "scene/choose_range.h"

#include <tiffio.h>

#include <cmath>
#include <filesystem>

#include "tests/support/expect_error.h"
#include "tests/support/test_folder.h"
#include "tests/tools/small_model.h"

namespace sr {
namespace {

template <class T>
void write_scene(const std::string& path, TiffInfo info, auto value) {
  Raster raster({0, 0, info.width, info.height}, info.bands, info.type);
  for (int64_t y = 0; y < info.height; ++y)
    for (int64_t x = 0; x < info.width; ++x)
      for (int b = 0; b < info.bands; ++b)
        raster.data<T>()[(y * info.width + x) * info.bands + b] = static_cast<T>(value(x, y, b));
  info.extra_samples.assign(static_cast<size_t>(info.bands - (info.photometric == 2 ? 3 : 1)), 0);
  TiffWriter writer(path, info, {});
  writer.write(raster);
  writer.finish();
}

TiffInfo info_of(int bands, SampleType type) {
  TiffInfo info;
  info.width = 60, info.height = 50, info.bands = bands, info.type = type;
  return info;
}

class ChooseRange : public testing::Test {
 protected:
  Raster upscaled(const std::string& in, int factor = 2, const ValueRanges& given = {},
                  bool measure = false) {
    SceneOptions options;
    options.value_ranges = given, options.measure_range = measure;
    Model model = write_small_model(folder_ / "weights", factor);
    model.ranges = recorded_;
    const std::string out = folder_ / "out.tif";
    upscale_scene(in, {out, "", ""}, &model, factor, options,
                  {.say = [&](const std::string& text) { said_ += text + "\n"; }});
    TiffReader reader(out);
    declared_top_ = reader.info().declared_top;
    return reader.read({0, 0, reader.info().width, reader.info().height});
  }

  TestFolder folder_;
  ValueRanges recorded_;
  std::string said_;
  std::optional<double> declared_top_;
};

// Ground with steps, from 0 to 1.
double ground(int64_t x, int64_t y) {
  return static_cast<double>((x / 3 * 7 + y / 3 * 5) % 11) / 10;
}

TEST_F(ChooseRange, ABandOfAStackComesOutToTheBitAsAlone) {
  const auto value = [](int64_t x, int64_t y, int b) {
    return b == 0 ? 0.02 + 0.4 * ground(x, y) : 1000 + 2000 * ground(y, x);
  };
  write_scene<float>(folder_ / "both.tif", info_of(2, SampleType::f32), value);
  const Raster both = upscaled(folder_ / "both.tif");
  EXPECT_NE(said_.find("(band 1), 1000..3000 (band 2) (measured over the scene)"), std::string::npos)
      << said_;
  for (int b = 0; b < 2; ++b) {
    write_scene<float>(folder_ / "one.tif", info_of(1, SampleType::f32),
                       [&](int64_t x, int64_t y, int) { return value(x, y, b); });
    const Raster one = upscaled(folder_ / "one.tif");
    for (int64_t i = 0; i < one.window.pixels(); ++i)
      ASSERT_EQ(both.data<float>()[2 * i + b], one.data<float>()[i]) << b;
  }
}

TEST_F(ChooseRange, OneValueInIsTheSameValueOut) {
  for (const int factor : {2, 3, 4})
    for (const double value : {0.0, 40.0, 255.0, 5000.0}) {
      const auto flat = [&](auto...) { return value; };
      write_scene<float>(folder_ / "f32.tif", info_of(2, SampleType::f32), flat);
      const Raster floats = upscaled(folder_ / "f32.tif", factor);
      for (int64_t i = 0; i < 2 * floats.window.pixels(); ++i) ASSERT_EQ(floats.data<float>()[i], value);
      write_scene<uint16_t>(folder_ / "u16.tif", info_of(1, SampleType::u16), flat);
      const Raster shorts = upscaled(folder_ / "u16.tif", factor, {{0, 10000}});
      for (int64_t i = 0; i < shorts.window.pixels(); ++i) ASSERT_EQ(shorts.data<uint16_t>()[i], value);
      if (value > 255) continue;
      TiffInfo rgb = info_of(3, SampleType::u8);
      rgb.photometric = 2;
      write_scene<uint8_t>(folder_ / "u8.tif", rgb, flat);
      const Raster bytes = upscaled(folder_ / "u8.tif", factor);
      for (int64_t i = 0; i < 3 * bytes.window.pixels(); ++i) ASSERT_EQ(bytes.data<uint8_t>()[i], value);
    }
}

TEST_F(ChooseRange, RecordedInOtherUnitsIsRefusedAndTheScenesOwnIsTheWayOut) {
  recorded_ = {{200, 9000}};
  write_scene<float>(folder_ / "in.tif", info_of(1, SampleType::f32),
                     [](int64_t x, int64_t y, int) { return 0.9 * ground(x, y); });
  for (const char* part :
       {"0..0.8999999762, ranges of 200..9000", "--value_range LOW,HIGH", "--value_range scene"})
    expect_error(Error::Kind::usage, part, [&] { upscaled(folder_ / "in.tif"); });
  EXPECT_FALSE(std::filesystem::exists(folder_ / "out.tif"));
  upscaled(folder_ / "in.tif", 2, {}, true);
  EXPECT_NE(said_.find("value range 0..0.8999999762 (measured"), std::string::npos) << said_;
  recorded_ = {{0, 1}, {0, 3}};
  expect_error(Error::Kind::usage, "for 2 bands, the scene has 1", [&] { upscaled(folder_ / "in.tif"); });
  recorded_ = {{0, 1}};
  upscaled(folder_ / "in.tif");
  EXPECT_NE(said_.find("value range 0..1 (recorded"), std::string::npos) << said_;
  expect_error(Error::Kind::usage, "for 2 bands, the scene has 1", [&] {
    upscaled(folder_ / "in.tif", 2, {{0, 1}, {0, 2}});
  });
}

TEST_F(ChooseRange, NoSampleIsAboveWhatTheBitsHoldAndTheResultSaysSo) {
  // 12 bits, packed by hand: two samples in three bytes.
  const std::string path = folder_ / "in.tif";
  TIFF* file = TIFFOpen(path.c_str(), "w");
  TIFFSetField(file, TIFFTAG_IMAGEWIDTH, 60);
  TIFFSetField(file, TIFFTAG_IMAGELENGTH, 50);
  TIFFSetField(file, TIFFTAG_BITSPERSAMPLE, 12);
  TIFFSetField(file, TIFFTAG_PHOTOMETRIC, PHOTOMETRIC_MINISBLACK);
  for (uint32_t y = 0; y < 50; ++y) {
    std::vector<uint8_t> row;
    for (int x = 0; x < 60; x += 2) {
      const int a = (x / 6 + static_cast<int>(y) / 5) % 2 ? 4095 : 900, b = a;
      for (const int byte : {a >> 4, (a & 15) << 4 | b >> 8, b & 255})
        row.push_back(static_cast<uint8_t>(byte));
    }
    TIFFWriteScanline(file, row.data(), y);
  }
  TIFFClose(file);
  for (const int factor : {2, 3, 4}) {
    const Raster up = upscaled(path, factor);
    EXPECT_EQ(*std::max_element(up.data<uint16_t>(), up.data<uint16_t>() + up.window.pixels()), 4095);
    EXPECT_EQ(declared_top_, 4095) << "and so it is known when the result is enlarged again";
  }
}

TEST_F(ChooseRange, ATopThatATagStatesHoldsUnlessSamplesProveItWrong) {
  TiffInfo info = info_of(1, SampleType::u16);
  info.declared_top = 1023;
  for (const int largest : {1023, 4000}) {
    write_scene<uint16_t>(folder_ / "in.tif", info,
                          [&](int64_t x, int64_t y, int) { return (x / 5 + y / 5) % 2 ? largest : 100; });
    const Raster up = upscaled(folder_ / "in.tif");
    const int top = *std::max_element(up.data<uint16_t>(), up.data<uint16_t>() + up.window.pixels());
    EXPECT_EQ(top == 1023, largest == 1023) << top;
    EXPECT_EQ(declared_top_.has_value(), largest == 1023);
  }
}

}  // namespace
}  // namespace sr
