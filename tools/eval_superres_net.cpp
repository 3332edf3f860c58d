// Super-resolves every image of a folder.
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "idn/checkpoint_files.h"
#include "io/formats/picture.h"
#include "io/output_file.h"
#include "io/tiff/alpha_band.h"
#include "scene/plan.h"
#include "scene/preview.h"
#include "scene/scene.h"
#include "tensor/stop.h"
#include "tools/dry_run.h"
#include "tools/images.h"
#include "tools/program.h"
#include "tools/quality_record.h"
#include "tools/value_range_option.h"

namespace sr {
namespace {

namespace fs = std::filesystem;

constexpr const char* kName = "eval_superres_net";
constexpr int64_t kPreviewSide = 640;

struct Options {
  std::string data_path, pretrained_path, mean_values_path, out_path, img_ext = ".tif";
  int factor = 2;
  std::vector<std::string> value_range;
  std::vector<double> roi_geo;
  std::vector<int64_t> roi;
  std::string max_memory = "2GB", colour_mode = "auto", compress = "deflate", interleave = "pixel",
              predictor = "yes", palette = "auto", alpha;
  const CLI::Option *quality = nullptr, *max_z_error = nullptr;
  SceneOptions scene;
  bool bicubic = false, bicubic_only = false, preview = false, dry_run = false, overwrite = false,
       quality_record = false, spread = false;
  std::string json;
  std::vector<std::string> arguments;  // as given
  CommonOptions common;
};

// How the results are stored.
void add_file_options(CLI::App& app, Options& o) {
  TiffWriterOptions& writing = o.scene.writing;
  app.add_option("--compress", o.compress, "none, lzw, deflate, zstd, jpeg or lerc")
      ->check(CLI::IsMember({"none", "lzw", "deflate", "zstd", "jpeg", "lerc"}))
      ->capture_default_str();
  app.add_option("--predictor", o.predictor,
                 "yes or no: compress differences (TIFF predictor 2, of floats 3), or the samples themselves")
      ->check(CLI::IsMember({"yes", "no"}))
      ->capture_default_str();
  app.add_option("--level", writing.level, "of deflate, 1 to 9 (default 6), or zstd, 1 to 19 (9)")
      ->check(CLI::Range(1, 19));
  o.quality = app.add_option("--quality", writing.quality, "of JPEG")
                  ->check(CLI::Range(1, 100))
                  ->capture_default_str();
  o.max_z_error = app.add_option("--max_z_error", writing.max_z_error,
                                 "by which LERC may change a sample; 0 = not at all")
                      ->check(CLI::Range(0.0, std::numeric_limits<double>::max()))
                      ->capture_default_str();
  app.add_option("--interleave", o.interleave, "pixel: all bands in one block; band: each in its own")
      ->check(CLI::IsMember({"pixel", "band"}))
      ->capture_default_str();
  app.add_flag("--cog", writing.cog,
               "write Cloud Optimized GeoTIFFs: with overviews, laid out for reading in parts");
}

void add_options(CLI::App& app, Options& o) {
  app.add_option("--data_path", o.data_path, "folder with the images, or one image")->required();
  app.add_option("--pretrained_path", o.pretrained_path,
                 "folder with xFACTOR/ckpts in it (the newest checkpoint is taken), or a checkpoint");
  app.add_option("--mean_values_path", o.mean_values_path,
                 "folder with xFACTOR/mean_values.json; else the means stored with the weights");
  app.add_option("--out_path", o.out_path, "folder for the results (default: DATA_PATH_xFACTOR)");
  app.add_option("--img_ext", o.img_ext, "extension of the images")->capture_default_str();
  app.add_option("--upsampling_factor", o.factor, "2, 3 or 4")
      ->check(CLI::Range(2, 4))
      ->capture_default_str();
  app.add_option("--num_tiles_w", o.scene.num_tiles_w, "cut the width in so many tiles (default: by memory)")
      ->check(CLI::Range(1, 1 << 30));
  app.add_option("--num_tiles_h", o.scene.num_tiles_h, "cut the height in so many tiles (default: by memory)")
      ->check(CLI::Range(1, 1 << 30));
  app.add_option("--max_memory", o.max_memory, "memory of the whole program, as 512MB or 1.5GB")
      ->capture_default_str();
  app.add_option(
         "--value_range", o.value_range,
         "LOW,HIGH: sample values that the network sees as 0 and 1, or a pair for each band but alpha; "
         "scene: measured over the scene (default: by sample type, else as recorded with the weights, "
         "else measured)")
      ->delimiter(',')
      ->expected(1, kMostNumbers);
  app.add_option("--roi", o.roi, "X,Y,W,H: these pixels of the scene alone, as they are in the whole result")
      ->delimiter(',')
      ->expected(4);
  app.add_option("--roi_geo", o.roi_geo,
                 "MINX,MINY,MAXX,MAXY: the pixels of this ground alone, in the scene's coordinate system")
      ->delimiter(',')
      ->expected(4)
      ->excludes("--roi");
  app.add_option("--colour_mode", o.colour_mode, "auto, luma, per_band or joint")
      ->check(CLI::IsMember({"auto", "luma", "per_band", "joint"}))
      ->capture_default_str();
  app.add_option(
      "--alpha", o.alpha,
      "none, or the band (from 1) that is alpha (default: the last of 2 or 4 bands that is tagged as "
      "alpha)");
  app.add_option("--copy_bands", o.scene.copy_bands,
                 "N,M: bands (from 1) that are no picture, as classes: their samples are repeated")
      ->delimiter(',');
  app.add_option(
         "--palette", o.palette,
         "rgb enlarges a palette's colours, copy repeats its indices; auto: rgb, but a palette that looks "
         "like classes is refused")
      ->check(CLI::IsMember({"auto", "rgb", "copy"}))
      ->capture_default_str();
  add_file_options(app, o);
  app.add_flag("--bicubic", o.bicubic, "also write NAME_bic_up, enlarged without the network");
  app.add_flag("--bicubic_only", o.bicubic_only, "write NAME_bic_up alone; needs no weights");
  app.add_flag("--preview", o.preview, "also write NAME_preview.png: the input enlarged beside the result");
  app.add_option("--verify", o.scene.verify_windows,
                 "compute N random windows again without tiles and compare them with the file bit for bit")
      ->check(CLI::Range(0, 1000000));
  app.add_flag(
      "--quality_record", o.quality_record,
      "also write NAME.quality.json: the result shrunk again against the input, shifts, clipped samples, "
      "and all that the result was made with");
  app.add_flag("--self_ensemble", o.scene.self_ensemble,
               "average the network's results for the 8 flips and rotations; eight times the work");
  app.add_flag("--spread", o.spread, "also write NAME_spread, their standard deviation, as floats")
      ->needs("--self_ensemble");
  app.add_flag("--overwrite", o.overwrite,
               "make results anew that are there already, or begun, of the same input, weights and options");
  app.add_flag("--dry_run", o.dry_run,
               "tell what would be done and refused, with memory, size and time; write no results");
  app.add_option("--json", o.json, "write what --dry_run tells to this file; - is the standard output")
      ->needs("--dry_run");
  o.common.add_to(app, "fp16", std::numeric_limits<size_t>::max());
}

template <class T>
T chosen(const std::string& name, std::initializer_list<std::pair<const char*, T>> choices) {
  for (const auto& [key, value] : choices)
    if (name == key) return value;
  throw Error(Error::Kind::usage, "option value '", name, "' is unknown");
}

// "512MB", "1.5 GiB", "2g": powers of 1024.
int64_t memory_of_option(const std::string& text) {
  constexpr std::string_view kPrefixes = "kmgt";
  constexpr double kMost = 0x1p62;
  double bytes = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), bytes);
  std::string unit = lower(rest);
  unit.erase(0, unit.find_first_not_of(' '));
  if (const size_t prefix = kPrefixes.find(unit[0]); prefix != std::string_view::npos) {
    bytes *= std::ldexp(1.0, 10 * (static_cast<int>(prefix) + 1));
    unit.erase(0, unit.find('i') == 1 ? 2 : 1);
  }
  if (error != std::errc() || (!unit.empty() && unit != "b") || !(bytes >= 0 && bytes < kMost))
    throw Error(Error::Kind::usage, "--max_memory ", text, ": want a size like 512MB or 1.5GB");
  if (static_cast<int64_t>(bytes) < kProgramBytes)
    throw Error(Error::Kind::usage, "--max_memory ", text, ": the program by itself takes ",
                kProgramBytes >> 20, "MB; want a size like 512MB or 1.5GB");
  return static_cast<int64_t>(bytes);
}

void settle_file_options(Options& o) {
  TiffWriterOptions& writing = o.scene.writing;
  writing.compression = chosen<Compression>(o.compress, {{"none", Compression::none},
                                                         {"lzw", Compression::lzw},
                                                         {"deflate", Compression::deflate},
                                                         {"zstd", Compression::zstd},
                                                         {"jpeg", Compression::jpeg},
                                                         {"lerc", Compression::lerc}});
  writing.by_band = o.interleave == "band";
  writing.predictor = o.predictor == "yes";
  const auto belongs_to = [&](const char* option, bool given, std::initializer_list<Compression> codecs,
                              const char* names) {
    if (given && std::find(codecs.begin(), codecs.end(), writing.compression) == codecs.end())
      throw Error(Error::Kind::usage, option, " is for --compress ", names, ", not ", o.compress);
  };
  belongs_to("--level", writing.level.has_value(), {Compression::deflate, Compression::zstd},
             "deflate or zstd");
  belongs_to("--quality", o.quality->count() > 0, {Compression::jpeg}, "jpeg");
  belongs_to("--max_z_error", o.max_z_error->count() > 0, {Compression::lerc}, "lerc");
  if (writing.compression == Compression::deflate && writing.level.value_or(1) > 9)
    throw Error(Error::Kind::usage, "--level ", *writing.level, ": deflate has the levels 1 to 9");
  const bool lossy = writing.compression == Compression::jpeg || writing.max_z_error > 0;
  if (lossy && o.scene.verify_windows > 0)
    throw Error(Error::Kind::usage, "--verify wants every bit of the result, and --compress ", o.compress,
                " changes samples; leave one of them away");
}

// From 1 on the command line, from 0 within.
int alpha_of_option(const std::string& text) {
  if (text == "none") return kNoAlpha;
  int band = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), band);
  if (error != std::errc() || rest != text.data() + text.size() || band < 1)
    throw Error(Error::Kind::usage, "--alpha ", text, ": want none, or a band's number from 1");
  return band - 1;
}

void settle(Options& o) {
  o.scene.quality = o.quality_record;
  o.scene.max_memory_bytes = memory_of_option(o.max_memory);
  if (o.pretrained_path.empty() && !o.bicubic_only)
    throw Error(Error::Kind::usage, "--pretrained_path is missing; without weights there is --bicubic_only");
  if (const char* idle = o.scene.verify_windows > 0 ? "--verify"
                         : o.preview                ? "--preview"
                         : o.quality_record         ? "--quality_record"
                         : o.scene.self_ensemble    ? "--self_ensemble"
                                                    : nullptr;
      idle && o.bicubic_only)
    throw Error(Error::Kind::usage, idle,
                " is about the network's result, and --bicubic_only makes none; leave one of them away");
  settle_file_options(o);
  o.scene.mode = chosen<std::optional<ColourMode>>(o.colour_mode, {{"auto", {}},
                                                                   {"luma", ColourMode::luma},
                                                                   {"per_band", ColourMode::per_band},
                                                                   {"joint", ColourMode::joint}});
  o.scene.palette = chosen<std::optional<PaletteUse>>(
      o.palette, {{"auto", {}}, {"rgb", PaletteUse::rgb}, {"copy", PaletteUse::copy}});
  if (o.scene.palette == PaletteUse::rgb && !o.scene.copy_bands.empty())
    throw Error(Error::Kind::usage,
                "--copy_bands repeats a palette's indices, --palette rgb expands them; leave "
                "one of them away");
  o.scene.origin.software = std::string("superres ") + SR_VERSION;
  if (!o.alpha.empty()) o.scene.alpha = alpha_of_option(o.alpha);
  o.scene.measure_range = o.value_range == std::vector<std::string>{"scene"};
  if (!o.value_range.empty() && !o.scene.measure_range)
    o.scene.value_ranges = ranges_of_option(o.value_range);
  if (const auto& r = o.roi; !r.empty()) o.scene.region.pixels = Window{r[0], r[1], r[2], r[3]};
  if (const auto& r = o.roi_geo; !r.empty()) {
    o.scene.region.ground = GroundBox{r[0], r[1], r[2], r[3]};
    const bool finite = std::all_of(r.begin(), r.end(), [](double x) { return std::isfinite(x); });
    if (!(finite && r[0] < r[2] && r[1] < r[3]))
      throw Error(Error::Kind::usage,
                  "--roi_geo wants MINX,MINY,MAXX,MAXY, numbers of which the first two are smaller");
  }
  while (o.data_path.size() > 1 && o.data_path.back() == '/') o.data_path.pop_back();
  o.img_ext = extension_of_option(o.img_ext);
}

// Beside the data and named after it, by its own name where it was given as "." or "..".
std::string result_folder(const Options& o) {
  if (!o.out_path.empty()) return o.out_path;
  fs::path base = fs::absolute(o.data_path);
  if (std::error_code error; fs::is_regular_file(base, error)) base = base.parent_path();
  const bool by_name = base.filename() != "." && base.filename() != "..";
  base = by_name ? fs::canonical(base.parent_path()) / base.filename() : fs::canonical(base);
  return base.string() + "_x" + std::to_string(o.factor);
}

void create_folder(const std::string& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error || access(folder.c_str(), W_OK) != 0)
    throw Error(Error::Kind::io, folder, ": cannot be created or written to",
                error ? ": " + error.message() : std::string(), "; choose another folder with --out_path");
}

// What is written for an image; an empty name = not wanted.
struct Outputs {
  std::string upscaled, bicubic, spread, preview, quality;

  std::vector<std::string> files() const {
    std::vector<std::string> list;
    for (const std::string& file : {upscaled, bicubic, spread, preview, quality})
      if (!file.empty()) list.push_back(file);
    return list;
  }
};

Outputs outputs_of(const fs::path& image, const fs::path& folder, const Options& o) {
  const std::string stem = image.stem().string(), extension = image.extension().string();
  Outputs outputs;
  if (!o.bicubic_only) outputs.upscaled = folder / image.filename();
  if (o.bicubic || o.bicubic_only) outputs.bicubic = folder / (stem + "_bic_up" + extension);
  if (o.spread) outputs.spread = folder / (stem + "_spread" + extension);
  if (o.preview) outputs.preview = folder / (stem + "_preview.png");
  if (o.quality_record) outputs.quality = folder / (stem + ".quality.json");
  return outputs;
}

// Tells a file from all others, whatever its path; nothing if there is none.
using Identity = std::optional<std::pair<dev_t, ino_t>>;

Identity identity_of(const std::string& path) {
  struct stat file {};
  if (::stat(path.c_str(), &file) != 0) return std::nullopt;
  return std::pair(file.st_dev, file.st_ino);
}

// No output may replace an image or another image's output. Known before hours are spent on them.
void check_outputs(const std::vector<fs::path>& images, const fs::path& folder, const Options& o) {
  std::set<Identity> inputs;
  for (const fs::path& image : images) inputs.insert(identity_of(image));
  std::map<std::string, fs::path> made_of;
  for (const fs::path& image : images) {
    for (const std::string& output : outputs_of(image, folder, o).files()) {
      if (std::error_code none; fs::is_directory(output, none)) throw cannot_write(output, EISDIR);
      if (const Identity there = identity_of(output); there && inputs.contains(there))
        throw Error(Error::Kind::usage, image.string(), ": ", output,
                    ", its result, would replace the input; choose another --out_path");
      const auto [first, is_new] = made_of.emplace(output, image);
      if (!is_new)
        throw Error(Error::Kind::usage, first->second.string(), " and ", image.string(),
                    " would both be written to ", output, "; rename one of them");
    }
  }
}

// Nothing if it has no name.
void write_preview(const fs::path& image, const std::string& result, const std::string& preview,
                   const Options& o) {
  if (preview.empty()) return;
  write_png(preview, side_by_side(image.string(), result, o.factor, kPreviewSide, o.scene.region));
  o.common.say("  wrote " + preview + " (left: input enlarged by bicubic, right: result)");
}

void process(const fs::path& image, const Outputs& outputs, const Model* model, const Options& o) {
  ProgressLine progress(o.common.quiet);
  const std::string& main_result = model ? outputs.upscaled : outputs.bicubic;
  o.common.say(image.filename().string() + ":");
  int64_t pixels = 0;
  SceneOptions scene = o.scene;
  scene.resume = !o.overwrite;
  scene.keep_made = !o.overwrite && (outputs.quality.empty() || fs::exists(outputs.quality));
  const SceneDone made = upscale_scene(image.string(), {outputs.upscaled, outputs.bicubic, outputs.spread},
                                       model, o.factor, scene,
                                       {.say = [&](const std::string& text) { o.common.say("  " + text); },
                                        .progress =
                                            [&](int64_t done, int64_t all) {
                                              pixels = all;
                                              progress(done, all);
                                            }});
  if (made.was_there) {
    o.common.say("  " + main_result +
                 " is there, made of the same input, weights and options; --overwrite makes it anew");
    if (!fs::exists(outputs.preview)) write_preview(image, main_result, outputs.preview, o);
    return;
  }
  char seconds[64];
  std::snprintf(seconds, sizeof seconds, " in %.1f s, %.3f Mpixel/s", progress.seconds(),
                static_cast<double>(pixels) * 1e-6 / progress.seconds());
  o.common.say("  wrote " + main_result + seconds);
  if (model && !outputs.bicubic.empty()) o.common.say("  wrote " + outputs.bicubic);
  if (!outputs.spread.empty()) o.common.say("  wrote " + outputs.spread);
  if (!outputs.quality.empty()) {
    const ResultOrigin origin{
        image.string(),         main_result,       find_checkpoint(o.pretrained_path, o.factor), o.arguments,
        o.common.description(), progress.seconds()};
    o.common.say("  " + write_quality_record(outputs.quality, origin, *model, made));
  }
  write_preview(image, main_result, outputs.preview, o);
}

std::optional<Model> load_model(Options& o) {
  if (o.bicubic_only) return {};
  const std::string checkpoint = find_checkpoint(o.pretrained_path, o.factor);
  Model model = Model::load(checkpoint, o.factor);
  o.scene.origin.weights = checksum_of_file(checkpoint);
  if (!o.mean_values_path.empty()) {
    const std::string means =
        (fs::path(o.mean_values_path) / ("x" + std::to_string(o.factor)) / "mean_values.json").string();
    model.means = load_mean_values(means, model.nchan());
    o.scene.origin.mean_values = checksum_of_file(means);
  }
  if (o.json != "-") o.common.say("weights " + checkpoint + " (" + model.origin + ")");
  return model;
}

// Nothing is written but what --json asks for.
int run_dry(Options& o, const std::vector<fs::path>& images, const std::string& folder) {
  DryRun dry(o.common, o.json);
  dry.passes([&] { check_outputs(images, folder, o); });
  dry.passes([&] { existing_folder(folder); });
  std::optional<Model> model;
  const bool loaded = dry.passes([&] { model = load_model(o); });
  for (const fs::path& image : images) {
    const Outputs outputs = outputs_of(image, folder, o);
    if (loaded)
      dry.add(image.string(), {outputs.upscaled, outputs.bicubic, outputs.spread}, outputs.files(),
              model ? &*model : nullptr, o.factor, o.scene);
  }
  return dry.finish(folder);
}

int run(Options& o) {
  stop_when(&interrupted);
  settle(o);
  o.common.apply();
  o.scene.gpus = o.common.gpus();
  const std::vector<fs::path> images = find_images(o.data_path, {o.img_ext});
  const std::string folder = result_folder(o);
  if (o.dry_run) return run_dry(o, images, folder);
  check_outputs(images, folder, o);
  const std::optional<Model> model = load_model(o);
  create_folder(folder);
  o.common.say(o.common.description());
  std::vector<std::string> failures;
  for (const fs::path& image : images) {
    try {
      process(image, outputs_of(image, folder, o), model ? &*model : nullptr, o);
    } catch (const Error& e) {
      const std::string text = e.what();
      const bool named = text.find(image.filename().string()) != std::string::npos;
      failures.push_back(named ? text : image.string() + ": " + text);
      print_error(kName, failures.back().c_str());
      if (interrupted) return 1;
    } catch (const std::bad_alloc&) {
      failures.push_back(image.string() + ": out of memory; use a smaller --max_memory");
      print_error(kName, failures.back().c_str());
    }
  }
  return report_failures(failures, images.size());
}

}  // namespace
}  // namespace sr

int main(int argc, char** argv) {
  sr::Options options;
  CLI::App app("Super-resolves every image of a folder with trained weights.", sr::kName);
  sr::add_options(app, options);
  options.arguments = {argv + 1, argv + argc};
  return sr::run_program(app, argc, argv, [&] { return sr::run(options); });
}
