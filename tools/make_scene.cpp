// Writes an invented, georeferenced scene of any size, for demonstrations and tests.
#include <geo_normalize.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <map>

#include "io/tiff/output/writer.h"
#include "scene/invented/procedural_scene.h"
#include "tensor/error.h"
#include "tools/program.h"

namespace sr {
namespace {

constexpr const char* kName = "make_scene";
constexpr double kPixelMetres = 10, kWest = 500000, kNorth = 5300000;
// Windows are whole TIFF blocks and few enough to keep the memory small whatever the width.
constexpr int kBlock = 256;
constexpr int64_t kWindowWidth = 16 * kBlock;

struct Options {
  std::string out, type = "u8";
  ProceduralScene scene;
  double nodata = 0;
  int epsg = 32631;
  CommonOptions common;
};

const std::map<std::string, SampleType> kTypes = {
    {"u8", SampleType::u8},   {"i8", SampleType::i8},   {"u16", SampleType::u16}, {"i16", SampleType::i16},
    {"u32", SampleType::u32}, {"i32", SampleType::i32}, {"f32", SampleType::f32}, {"f64", SampleType::f64}};

void add_options(CLI::App& app, Options& o) {
  constexpr int64_t kMaxSide = 1 << 20;
  app.add_option("--out", o.out, "the TIFF to write")->required();
  app.add_option("--width", o.scene.width, "pixels")
      ->check(CLI::Range(int64_t{1}, kMaxSide))
      ->capture_default_str();
  app.add_option("--height", o.scene.height, "pixels")
      ->check(CLI::Range(int64_t{1}, kMaxSide))
      ->capture_default_str();
  app.add_option("--bands", o.scene.bands,
                 "1 grey, 2 red and infrared, 3 RGB, 4 and more: infrared and others too")
      ->check(CLI::Range(1, 256))
      ->capture_default_str();
  app.add_option("--type", o.type, "sample type: u8, i8, u16, i16, u32, i32, f32 or f64")
      ->check(CLI::IsMember({"u8", "i8", "u16", "i16", "u32", "i32", "f32", "f64"}))
      ->capture_default_str();
  app.add_option("--samples", o.scene.samples,
                 "a pixel is the mean of N x N points of the ground: 3 and more look like a sensor's image")
      ->check(CLI::Range(1, 16))
      ->capture_default_str();
  app.add_option("--seed", o.scene.seed, "another number gives another landscape")->capture_default_str();
  app.add_option("--nodata", o.nodata,
                 "turns the scene within the picture; the collar has this value (or nan)");
  app.add_option("--epsg", o.epsg, "code of a projected coordinate system in metres")
      ->check(CLI::Range(1024, 32766))
      ->capture_default_str();
  o.common.add_to(app);
}

std::string text_of(double value) {
  char text[40];
  return std::string(text, std::to_chars(text, text + sizeof text, value).ptr);
}

// The landscape's pixels are metres wide.
void check_projected_in_metres(int epsg) {
  constexpr short kMetre = 9001;  // EPSG's code of the unit
  short unit = 0;
  setenv("PROJ_DEBUG", "0", 1);  // else PROJ prints a line of its own about a code that it does not know
  if (GTIFGetPCSInfo(epsg, nullptr, nullptr, &unit, nullptr) == 0 || unit != kMetre)
    throw Error(Error::Kind::usage, "--epsg ", epsg,
                ": not the code of a projected coordinate system in metres; give one such as 32631 (UTM)");
}

SceneTags tags_of(const Options& o) {
  constexpr uint16_t kModelType = 1024, kRasterType = 1025, kProjectedSystem = 3072;
  constexpr uint16_t kProjected = 1, kPixelIsArea = 1;
  SceneTags tags;
  tags.pixel_scale = {kPixelMetres, kPixelMetres, 0};
  tags.tiepoints = {0, 0, 0, kWest, kNorth, 0};
  // Version 1.1.0 with three keys, each: number, 0 = the value is here, one value, value.
  tags.geo_key_directory = {1,
                            1,
                            0,
                            3,  //
                            kModelType,
                            0,
                            1,
                            kProjected,  //
                            kRasterType,
                            0,
                            1,
                            kPixelIsArea,  //
                            kProjectedSystem,
                            0,
                            1,
                            static_cast<uint16_t>(o.epsg)};
  tags.software = std::string("make_scene ") + SR_VERSION;
  if (o.scene.nodata) tags.gdal_nodata = text_of(*o.scene.nodata);
  return tags;
}

TiffInfo info_of(const Options& o) {
  constexpr uint16_t kMinIsBlack = 1, kRgb = 2, kUnspecified = 0;
  TiffInfo info;
  info.width = o.scene.width;
  info.height = o.scene.height;
  info.bands = o.scene.bands;
  info.type = o.scene.type;
  const int colours = info.bands >= 3 ? 3 : 1;
  info.photometric = colours == 3 ? kRgb : kMinIsBlack;
  info.extra_samples.assign(static_cast<size_t>(info.bands - colours), kUnspecified);
  info.tags = tags_of(o);
  return info;
}

int make(Options& o) {
  o.common.apply();
  check_projected_in_metres(o.epsg);
  o.scene.type = kTypes.at(o.type);
  const auto window_at = [&](int64_t x, int64_t y) {
    return Window{x, y, std::min(kWindowWidth, o.scene.width - x),
                  std::min<int64_t>(kBlock, o.scene.height - y)};
  };
  // The first window before the file: what is wrong with the request shows there.
  Raster part = procedural_scene(o.scene, {0, 0, 1, 1});
  TiffWriter writer(o.out, info_of(o), {Compression::deflate, kBlock});
  ProgressLine progress(o.common.quiet);
  for (int64_t y = 0; y < o.scene.height; y += kBlock) {
    for (int64_t x = 0; x < o.scene.width; x += kWindowWidth) {
      part = procedural_scene(o.scene, window_at(x, y));
      writer.write(part);
      progress(y * o.scene.width + (x + part.window.w) * part.window.h, o.scene.width * o.scene.height);
    }
  }
  writer.finish();
  std::ostringstream text;
  text << "wrote " << o.out << ": " << o.scene.width << " x " << o.scene.height << " pixels, "
       << o.scene.bands << " band" << (o.scene.bands > 1 ? "s" : "") << " of " << o.type
       << ", EPSG:" << o.epsg;
  o.common.say(text.str());
  return 0;
}

}  // namespace
}  // namespace sr

int main(int argc, char** argv) {
  CLI::App app("Writes an invented, georeferenced aerial scene.", sr::kName);
  sr::Options options;
  sr::add_options(app, options);
  return sr::run_program(app, argc, argv, [&] {
    if (app.count("--nodata") > 0) options.scene.nodata = options.nodata;
    return sr::make(options);
  });
}
