// A picture from a source of one's own to a sink of one's own.
#include "scene/windows.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <stdexcept>
#include <thread>

#include "scene/invented/procedural_scene.h"
#include "scene/scene.h"
#include "tests/support/expect_error.h"
#include "tests/support/test_folder.h"
#include "tests/tools/small_model.h"

namespace sr {
namespace {

constexpr int64_t kWidth = 70, kHeight = 53;

class Windows : public testing::Test {
 protected:
  Model model_ = write_small_model(folder() / "weights", 2);
  SourcePicture picture_{.width = kWidth, .height = kHeight};
  WindowOptions options_{.num_tiles_w = 3, .num_tiles_h = 2};
  Raster result_;
  std::vector<Window> read_, written_;

  static TestFolder& folder() {
    static TestFolder one;
    return one;
  }

  // Cuts windows out of `whole` and puts the results together.
  WindowStreams streams(const Raster& whole) {
    result_ = Raster({0, 0, 2 * kWidth, 2 * kHeight}, whole.bands, whole.type);
    return {.read =
                [&](const Window& window) {
                  read_.push_back(window);
                  return cut(whole, window);
                },
            .write =
                [&](const Raster& raster) {
                  written_.push_back(raster.window);
                  paste(result_, raster);
                }};
  }

  Raster ground(int bands, SampleType type, std::optional<double> nodata = {}) const {
    return procedural_scene(
        {.width = kWidth, .height = kHeight, .bands = bands, .type = type, .nodata = nodata},
        {0, 0, kWidth, kHeight});
  }

  // What upscale_scene() makes of a file of these samples.
  Raster of_file(const Raster& whole, TiffInfo info, const ValueRanges& ranges = {}) {
    const std::string in = folder() / "in.tif", out = folder() / "out.tif";
    info.width = kWidth, info.height = kHeight, info.bands = whole.bands, info.type = whole.type;
    info.extra_samples.resize(static_cast<size_t>(info.bands - (info.photometric == 2 ? 3 : 1)));
    TiffWriter writer(in, info, {});
    writer.write(whole);
    writer.finish();
    SceneOptions options;
    options.value_ranges = ranges;
    if (picture_.has_alpha) options.alpha = whole.bands - 1;
    upscale_scene(in, {out, "", ""}, &model_, 2, options);
    return TiffReader(out).read({0, 0, 2 * kWidth, 2 * kHeight});
  }
};

// The first byte that differs; -1: none.
int64_t difference(const Raster& a, const Raster& b) {
  if (a.samples.size() != b.samples.size()) return 0;
  const auto [at, other] = std::mismatch(a.samples.begin(), a.samples.end(), b.samples.begin());
  return at == a.samples.end() ? -1 : at - a.samples.begin();
}

TEST_F(Windows, OfRgbAreTheBitsOfTheSameSceneInAFile) {
  const Raster whole = ground(3, SampleType::u8);
  picture_.bands = 3;
  upscale_windows(model_, picture_, streams(whole), options_);
  TiffInfo info;
  info.photometric = 2;
  EXPECT_EQ(difference(result_, of_file(whole, info)), -1);
  EXPECT_EQ(written_.size(), 6u);
}

TEST_F(Windows, WithNodataAndAlphaAreTheBitsOfTheSameSceneInAFile) {
  Raster whole = ground(3, SampleType::u16, 7);
  for (int64_t p = 0; p < kWidth * kHeight; ++p)  // the last becomes alpha
    whole.data<uint16_t>()[3 * p + 2] = p % kWidth < 20 ? 0 : 65535;
  picture_.bands = 3, picture_.type = whole.type, picture_.nodata = 7, picture_.has_alpha = true;
  options_.value_ranges = {{200, 3000}};
  upscale_windows(model_, picture_, streams(whole), options_);
  TiffInfo info;
  info.tags.gdal_nodata = "7", info.extra_samples = {0, 2};
  EXPECT_EQ(result_.data<uint16_t>()[2], 0) << "alpha";
  EXPECT_EQ(result_.data<uint16_t>()[0], 7) << "nodata";
  EXPECT_EQ(difference(result_, of_file(whole, info, {{200, 3000}})), -1);
}

TEST_F(Windows, WithAMaskHaveItOnTheFinerGrid) {
  Raster whole = ground(1, SampleType::u8);
  whole.mask.assign(static_cast<size_t>(kWidth * kHeight), 255);
  std::fill_n(whole.mask.begin(), 10 * kWidth, uint8_t{0});
  picture_.has_mask = true;
  WindowStreams to = streams(whole);
  const auto paste_it = to.write;
  int64_t hidden = 0;
  to.write = [&](const Raster& raster) {
    hidden += std::count(raster.mask.begin(), raster.mask.end(), 0);
    paste_it(raster);
  };
  upscale_windows(model_, picture_, to, options_);
  EXPECT_EQ(hidden, 20 * 2 * kWidth);
  TiffInfo info;
  info.has_mask = true;
  EXPECT_EQ(difference(result_, of_file(whole, info)), -1);
}

TEST_F(Windows, OfFloatsAreTheBitsOfTheSameSceneInAFile) {
  const Raster whole = ground(1, SampleType::f32);
  picture_.type = whole.type;
  options_.value_ranges = {{0, 1}};
  upscale_windows(model_, picture_, streams(whole), options_);
  EXPECT_EQ(difference(result_, of_file(whole, {}, {{0, 1}})), -1);
}

TEST_F(Windows, CoverTheResultOnceAndAreReadInOrder) {
  const Raster whole = ground(1, SampleType::u8);
  int64_t last = 0;
  WindowStreams to = streams(whole);
  to.progress = [&](int64_t done, int64_t all) {
    EXPECT_GT(done, last);
    EXPECT_EQ(all, kWidth * kHeight);
    last = done;
  };
  upscale_windows(model_, picture_, to, options_);
  EXPECT_EQ(last, kWidth * kHeight);
  int64_t pixels = 0;
  for (const Window& w : written_) pixels += w.pixels();
  EXPECT_EQ(pixels, 4 * kWidth * kHeight);
  ASSERT_EQ(read_.size(), written_.size());
  for (size_t i = 0; i < read_.size(); ++i) {
    const Window &in = read_[i], &out = written_[i];
    EXPECT_TRUE(2 * in.x <= out.x && 2 * in.y <= out.y && out.x + out.w <= 2 * (in.x + in.w) &&
                out.y + out.h <= 2 * (in.y + in.h))
        << i;
  }
}

TEST_F(Windows, DoNotPassWhatTheBitsHold) {
  Raster whole = ground(1, SampleType::u16);
  for (int64_t p = 0; p < kWidth * kHeight; ++p) whole.data<uint16_t>()[p] = p % 5 < 2 ? 4095 : 0;
  picture_.type = whole.type, picture_.significant_bits = 12;
  upscale_windows(model_, picture_, streams(whole), options_);
  const uint16_t* samples = result_.data<uint16_t>();
  EXPECT_EQ(*std::max_element(samples, samples + result_.window.pixels()), 4095);
}

struct OwnError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

TEST_F(Windows, OfASourceThatThrowsEndWithItsException) {
  const Raster whole = ground(1, SampleType::u8);
  WindowStreams to = streams(whole);
  const auto cut_out = to.read;
  to.read = [&](const Window& window) {
    if (read_.size() == 2) throw OwnError("the camera is gone");
    return cut_out(window);
  };
  EXPECT_THROW(upscale_windows(model_, picture_, to, options_), OwnError);
  EXPECT_EQ(read_.size(), 2u);
  EXPECT_LE(written_.size(), 2u);
}

TEST_F(Windows, OfASinkThatThrowsEndWithItsException) {
  const Raster whole = ground(1, SampleType::u8);
  WindowStreams to = streams(whole);
  int calls = 0;
  to.write = [&](const Raster&) {
    ++calls;
    throw OwnError("no space");
  };
  EXPECT_THROW(upscale_windows(model_, picture_, to, options_), OwnError);
  EXPECT_EQ(calls, 1);
}

TEST_F(Windows, EndWithTheExceptionOfProgress) {
  const Raster whole = ground(1, SampleType::u8);
  WindowStreams to = streams(whole);
  to.progress = [](int64_t, int64_t) { throw OwnError("enough"); };
  EXPECT_THROW(upscale_windows(model_, picture_, to, options_), OwnError);
  EXPECT_LE(written_.size(), 1u);
}

TEST_F(Windows, EndWhenAStopIsRequested) {
  const Raster whole = ground(1, SampleType::u8);
  std::stop_source stop;
  options_.stop = stop.get_token();
  WindowStreams to = streams(whole);
  to.progress = [&](int64_t, int64_t) { stop.request_stop(); };
  expect_error(Error::Kind::stopped, "requested", [&] { upscale_windows(model_, picture_, to, options_); });
  EXPECT_LE(written_.size(), 2u);
  read_.clear();
  expect_error(Error::Kind::stopped, "requested", [&] { upscale_windows(model_, picture_, to, options_); });
  EXPECT_TRUE(read_.empty()) << "stopped before it began";
}

TEST_F(Windows, RunOnThreeThreadsOfWhichOneIsTheCallers) {
  const Raster whole = ground(1, SampleType::u8);
  std::vector<std::thread::id> reads, writes, progresses;
  WindowStreams to = streams(whole);
  const WindowStreams plain = to;
  to.read = [&](const Window& w) {
    reads.push_back(std::this_thread::get_id());
    return plain.read(w);
  };
  to.write = [&](const Raster& r) {
    writes.push_back(std::this_thread::get_id());
    plain.write(r);
  };
  to.progress = [&](int64_t, int64_t) { progresses.push_back(std::this_thread::get_id()); };
  upscale_windows(model_, picture_, to, options_);
  const auto all_are = [](const std::vector<std::thread::id>& ids, std::thread::id id) {
    return std::count(ids.begin(), ids.end(), id) == std::ssize(ids);
  };
  EXPECT_TRUE(all_are(progresses, std::this_thread::get_id()));
  EXPECT_TRUE(all_are(reads, reads[0]) && all_are(writes, writes[0]) && reads[0] != writes[0]);
}

TEST_F(Windows, OtherThanAskedForAreRefused) {
  const Raster whole = ground(2, SampleType::u8);
  expect_error(Error::Kind::usage, "the source gave the window at 0, 0",
               [&] { upscale_windows(model_, picture_, streams(whole), options_); });
  const Raster grey = ground(1, SampleType::u8);
  WindowStreams to = streams(grey);
  to.read = [&](const Window& window) {
    Raster raster = cut(grey, window);
    raster.samples.pop_back();
    return raster;
  };
  expect_error(Error::Kind::usage, "bytes of samples",
               [&] { upscale_windows(model_, picture_, to, options_); });
  picture_.has_mask = true;
  expect_error(Error::Kind::usage, "0 of mask",
               [&] { upscale_windows(model_, picture_, streams(grey), options_); });
}

TEST_F(Windows, OfPicturesThatCannotBeAreRefused) {
  const Raster whole = ground(1, SampleType::u8);
  const auto refused = [&](const SourcePicture& picture, Error::Kind kind, const std::string& part) {
    expect_error(kind, part, [&] { upscale_windows(model_, picture, streams(whole), options_); });
  };
  using Kind = Error::Kind;
  refused({.width = 0, .height = 4}, Kind::usage, "a source of 0 x 4 pixels");
  refused({.width = int64_t{1} << 40, .height = 4}, Kind::usage, "pixels");
  refused({.width = 4, .height = 4, .bands = 0}, Kind::usage, "0 bands");
  refused({.width = 4, .height = 4, .significant_bits = 9}, Kind::usage, "significant_bits of 9");
  refused({.width = 4, .height = 4, .bands = 1, .has_alpha = true}, Kind::usage, "which is alpha");
  refused({.width = 4, .height = 4, .type = SampleType::f32}, Kind::usage, "value_ranges");
  options_.max_memory_bytes = 1 << 20;
  refused({.width = 4000, .height = 4000}, Kind::limit, "max_memory of 1 MB is too small");
  EXPECT_TRUE(read_.empty());
}

}  // namespace
}  // namespace sr
