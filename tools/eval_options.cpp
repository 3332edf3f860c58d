#include "tools/eval_options.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <limits>
#include <optional>
#include <string_view>
#include <utility>

#include "io/tiff/input/alpha_band.h"
#include "scene/plan.h"
#include "tools/images.h"
#include "tools/value_range_option.h"
#include "tools/weights_path.h"

namespace sr {
namespace {

// How the results are stored.
void add_file_options(CLI::App& app, EvalOptions& o) {
  TiffWriterOptions& writing = o.scene.writing;
  app.add_option("--compress", o.compress, "none, lzw, deflate, zstd, jpeg or lerc")
      ->check(CLI::IsMember({"none", "lzw", "deflate", "zstd", "jpeg", "lerc"}))
      ->capture_default_str();
  app.add_option("--predictor", o.predictor,
                 "yes or no: compress differences (TIFF predictor 2, of floats 3), or the samples themselves")
      ->check(CLI::IsMember({"yes", "no"}))
      ->capture_default_str();
  app.add_option("--level", writing.level, "of deflate, 1 to 9, or zstd, 1 to 19 (default 5)")
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

void settle_file_options(EvalOptions& o) {
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

// Known before the image is opened.
void check_out_file(const EvalOptions& o) {
  if (o.out_file.empty()) return;
  if (const std::string extension = lower(std::filesystem::path(o.out_file).extension());
      extension != ".tif" && extension != ".tiff")
    throw Error(Error::Kind::usage, "--out_file ", o.out_file,
                ": results are TIFF files; want a name that ends with .tif or .tiff");
  if (std::error_code none; std::filesystem::is_directory(o.data_path, none))
    throw Error(Error::Kind::usage, "--out_file is for one image, and --data_path ", o.data_path,
                " is a folder; use --out_path");
}

}  // namespace

void add_options(CLI::App& app, EvalOptions& o) {
  app.add_option("--data_path", o.data_path, "folder with the images, or one image")->required();
  app.add_option(
      "--pretrained_path", o.pretrained_path,
      "folder with xFACTOR/ckpts in it (the newest checkpoint is taken), or a checkpoint; else the "
      "weights that were installed with the program");
  app.add_option("--mean_values_path", o.mean_values_path,
                 "folder with xFACTOR/mean_values.json; else the means stored with the weights");
  auto* out_path =
      app.add_option("--out_path", o.out_path, "folder for the results (default: DATA_PATH_xFACTOR)");
  app.add_option("--out_file", o.out_file,
                 "name of the result, where --data_path is one image; what else is written lies beside it")
      ->excludes(out_path);
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
  app.add_flag("--bicubic_only", o.bicubic_only, "write NAME_bic_up (or --out_file) alone; needs no weights");
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
  app.add_option(
         "--shard", o.shard,
         "I/N: the Ith of N shares of the scenes, of which large ones are cut; superres_merge joins them. "
         "auto: as Slurm or MPI say, else all; none: all")
      ->capture_default_str();
  app.add_flag("--dry_run", o.dry_run,
               "tell what would be done and refused, with memory, size and time; write no results");
  app.add_flag("--profile", o.profile,
               "time each layer of the network on a tile of the first image; write no results")
      ->excludes("--dry_run");
  app.add_option("--json", o.json, "write what --dry_run tells to this file; - is the standard output")
      ->needs("--dry_run");
  o.common.add_to(app, "fp16", std::numeric_limits<size_t>::max(), OnProcessor::bf16_with_amx);
}

void settle(EvalOptions& o) {
  o.scene.quality = o.quality_record;
  o.scene.max_memory_bytes = memory_of_option(o.max_memory);
  if (!o.bicubic_only)
    o.pretrained_path = weights_path(o.pretrained_path, "; without weights there is --bicubic_only");
  if (const char* idle = o.scene.verify_windows > 0 ? "--verify"
                         : o.preview                ? "--preview"
                         : o.quality_record         ? "--quality_record"
                         : o.scene.self_ensemble    ? "--self_ensemble"
                         : o.profile                ? "--profile"
                                                    : nullptr;
      idle && o.bicubic_only)
    throw Error(Error::Kind::usage, idle,
                " is about the network's result, and --bicubic_only makes none; leave one of them away");
  settle_file_options(o);
  check_out_file(o);
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

}  // namespace sr
