// Cuts images into the tiles that train_superres_net reads.
#include <filesystem>
#include <optional>

#include "tools/images.h"
#include "tools/program.h"
#include "tools/value_range_option.h"
#include "training/dataset/create.h"

namespace sr {
namespace {

namespace fs = std::filesystem;

constexpr const char* kName = "create_training_dataset";
constexpr int kDebugPictures = 16;

struct Options {
  std::string data_path, out_path;
  std::vector<std::string> img_ext = {".tif"};
  bool no_shuffle = false, augment = false, debug = false;
  std::vector<std::string> value_range;
  std::string colour_mode = "auto", luma = "full";
  DatasetOptions dataset;
  CommonOptions common;
};

void add_options(CLI::App& app, Options& o) {
  DatasetOptions& d = o.dataset;
  app.add_option("--data_path", o.data_path, "folder with the images, or one image")->required();
  app.add_option("--out_path", o.out_path, "the data set goes to OUT_PATH/xFACTOR")->required();
  app.add_option("--img_ext", o.img_ext, "extensions of the images, as .tif or .bmp,.png,.jpg")
      ->delimiter(',')
      ->capture_default_str();
  app.add_option("--upsampling_factor", d.factor, "2, 3 or 4")
      ->check(CLI::Range(2, 4))
      ->capture_default_str();
  app.add_option("--tile_size_w", d.tile_w, "width of the tiles that are cut, fine pixels")
      ->check(CLI::Range(4, 8192))
      ->capture_default_str();
  app.add_option("--tile_size_h", d.tile_h, "height of the tiles")
      ->check(CLI::Range(4, 8192))
      ->capture_default_str();
  app.add_option("--num_data_per_file", d.num_data_per_file,
                 "tiles in a record file; validation takes a tenth of all tiles, at most one file's worth")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  app.add_flag("--no_shuffle", o.no_shuffle, "keep the order of the images; the last tiles validate");
  app.add_option("--seed", d.seed, "another number shuffles in another way")->capture_default_str();
  app.add_option("--min_std", d.min_std,
                 "leave tiles out whose standard deviation, on the 0..1 scale, is not above this; constant "
                 "ones always are")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  app.add_flag("--split_by_scene", d.split_by_scene, "validate on whole images that are not trained on");
  app.add_option("--scales", d.scales, "sizes at which each image is cut, as 1,0.9,0.8")
      ->delimiter(',')
      ->capture_default_str();
  app.add_flag("--augment", o.augment,
               "scales 1,0.9,0.8,0.7,0.6 and all flips and rotations; training flips and rotates by itself, "
               "so --scales saves the disk");
  app.add_option("--pair_path", d.pair_path,
                 "real pairs: folder with images of the same names and ground, finer by the factor");
  app.add_option(
         "--value_range", o.value_range,
         "LOW,HIGH: sample values that the network sees as 0 and 1, or a pair for each band but alpha "
         "(default: by sample type, else measured over all images)")
      ->delimiter(',')
      ->expected(1, kMostNumbers);
  app.add_option("--colour_mode", o.colour_mode, "auto, luma, per_band or joint")
      ->check(CLI::IsMember({"auto", "luma", "per_band", "joint"}))
      ->capture_default_str();
  app.add_option("--luma", o.luma, "full (BT.601), or studio as MATLAB's rgb2ycbcr and the paper")
      ->check(CLI::IsMember({"full", "studio"}))
      ->capture_default_str();
  app.add_option("--nchan", d.nchan, "bands that a network is to take together: joint mode")
      ->check(CLI::Range(1, 65535));
  app.add_flag(
      "--unrounded", d.unrounded,
      "store the shrunk and enlarged images as floats that were never rounded, as the literature does");
  app.add_flag(
      "--debug", o.debug,
      "also write pictures of 16 tiles to OUT_PATH/xFACTOR/Debug: truth, enlarged, their difference");
  o.common.add_to(app);
}

int64_t multiple(int64_t size, const char* option, const Options& o) {
  const int64_t fits = size / o.dataset.factor * o.dataset.factor;
  if (fits != size)
    o.common.say(std::string(option) + " " + std::to_string(size) + " is no multiple of " +
                 std::to_string(o.dataset.factor) + ": " + std::to_string(fits) + " is taken");
  return fits;
}

void settle(Options& o, const CLI::App& app) {
  DatasetOptions& d = o.dataset;
  if (o.augment && app.count("--scales") > 0)
    throw Error(Error::Kind::usage, "--augment has scales of its own; leave --scales out, or --augment");
  if (o.augment) d.scales = {1, 0.9, 0.8, 0.7, 0.6}, d.symmetries = true;
  d.shuffle = !o.no_shuffle;
  if (o.debug) d.debug_pictures = kDebugPictures;
  if (o.colour_mode == "luma") d.mode = ColourMode::luma;
  if (o.colour_mode == "per_band") d.mode = ColourMode::per_band;
  if (o.colour_mode == "joint") d.mode = ColourMode::joint;
  d.luma = o.luma == "studio" ? LumaConvention::studio : LumaConvention::full;
  if (!o.value_range.empty()) d.value_ranges = ranges_of_option(o.value_range);
  d.tile_w = multiple(d.tile_w, "--tile_size_w", o);
  d.tile_h = multiple(d.tile_h, "--tile_size_h", o);
  for (std::string& extension : o.img_ext) extension = extension_of_option(extension);
  d.origin = std::string(kName) + " " + SR_VERSION;
}

void tell(const Manifest& m, const std::string& folder, double seconds, const CommonOptions& common) {
  constexpr const char* kModes[] = {"luma", "per band", "joint"};
  const DatasetInfo& i = m.info;
  int64_t bytes = 0;
  for (const ManifestFile& f : m.files) bytes += static_cast<int64_t>(f.bytes);
  common.say(counted(i.bands, "band") + " of " + name_of(i.type) + ", " + kModes[static_cast<int>(i.mode)]);
  char text[64];
  std::snprintf(text, sizeof text, ", %.1f MB in %.1f s", static_cast<double>(bytes) * 1e-6, seconds);
  common.say("wrote " + folder + ": " + std::to_string(i.training_tiles) + " training and " +
             counted(i.validation_tiles, "validation tile") + text);
}

int run(Options& o, const CLI::App& app) {
  settle(o, app);
  o.common.apply();
  std::vector<std::string> images;
  for (const fs::path& path : find_images(o.data_path, o.img_ext)) images.push_back(path.string());
  const std::string folder = (fs::path(o.out_path) / ("x" + std::to_string(o.dataset.factor))).string();
  std::vector<std::string> failures;
  ProgressLine progress(o.common.quiet);
  const DatasetEvents events{.say = [&](const std::string& text) { o.common.say(text); },
                             .failed =
                                 [&](const std::string& text) {
                                   failures.push_back(text);
                                   print_error(kName, text.c_str());
                                 },
                             .progress = [&](int64_t done, int64_t all) { progress(done, all); }};
  const Manifest manifest = create_dataset(images, folder, o.dataset, events);
  tell(manifest, folder, progress.seconds(), o.common);
  return report_failures(failures, images.size());
}

}  // namespace
}  // namespace sr

int main(int argc, char** argv) {
  sr::Options options;
  CLI::App app("Cuts images into tiles for training.", sr::kName);
  sr::add_options(app, options);
  return sr::run_program(app, argc, argv, [&] { return sr::run(options, app); });
}
