// Scores weights on a folder of ground-truth images by the literature's protocol.
#include <cerrno>
#include <filesystem>
#include <vector>

#include "idn/checkpoint_files.h"
#include "idn/score.h"
#include "io/json_text.h"
#include "io/output_file.h"
#include "tools/file_identity.h"
#include "tools/images.h"
#include "tools/program.h"
#include "tools/weights_path.h"

namespace sr {
namespace {

namespace fs = std::filesystem;

constexpr const char* kName = "score_superres_net";

struct Options {
  std::string data_path, pretrained_path, img_ext, json;
  int factor = 2;
  bool self_ensemble = false;
  CommonOptions common;
};

struct NamedScore {
  std::string name;
  Score score;
};

void add_options(CLI::App& app, Options& o) {
  app.add_option("--data_path", o.data_path, "folder with the ground-truth images, or one image")->required();
  app.add_option(
      "--pretrained_path", o.pretrained_path,
      "folder with xFACTOR/ckpts in it (the newest checkpoint is taken), or a checkpoint; else the "
      "weights that were installed with the program");
  app.add_option("--upsampling_factor", o.factor, "2, 3 or 4")
      ->check(CLI::Range(2, 4))
      ->capture_default_str();
  app.add_option("--img_ext", o.img_ext,
                 "take files of this extension only (default: all BMP, PNG, JPEG, TIFF)");
  app.add_option("--json", o.json, "write the scores to this file");
  app.add_flag("--self_ensemble", o.self_ensemble,
               "average the network's results for the 8 flips and rotations");
  o.common.add_to(app, "fp32", 1, OnProcessor::fp32);
}

std::vector<std::string> extensions(const Options& o) {
  if (o.img_ext.empty()) return {".bmp", ".png", ".jpg", ".jpeg", ".tif", ".tiff"};
  return {extension_of_option(o.img_ext)};
}

Score mean(const std::vector<NamedScore>& scores) {
  Score sum;
  const auto n = static_cast<double>(scores.size());
  for (const NamedScore& s : scores) {
    sum.bicubic.psnr += s.score.bicubic.psnr / n;
    sum.bicubic.ssim += s.score.bicubic.ssim / n;
    sum.idn.psnr += s.score.idn.psnr / n;
    sum.idn.ssim += s.score.idn.ssim / n;
  }
  return sum;
}

std::string row(const std::string& name, const Score& s) {
  char text[96];
  std::snprintf(text, sizeof text, "  %8.4f / %.4f     %8.4f / %.4f", s.bicubic.psnr, s.bicubic.ssim,
                s.idn.psnr, s.idn.ssim);
  return name + std::string(name.size() < 24 ? 24 - name.size() : 0, ' ') + text;
}

// JSON has no infinity: the PSNR of a perfect result is null.
nlohmann::ordered_json to_json(const Score& s) {
  return {{"bicubic", {{"psnr", s.bicubic.psnr}, {"ssim", s.bicubic.ssim}}},
          {"idn", {{"psnr", s.idn.psnr}, {"ssim", s.idn.ssim}}}};
}

// Before hours of computing, not after.
void check_can_be_written(const std::string& path) {
  if (std::error_code ignored; fs::is_directory(path, ignored)) throw cannot_write(path, EISDIR);
  const PartialFile trial(path);
}

void write_json(const std::string& path, int factor, const std::vector<NamedScore>& scores) {
  nlohmann::ordered_json json{{"factor", factor}, {"images", nlohmann::ordered_json::array()}};
  for (const NamedScore& s : scores) {
    nlohmann::ordered_json image{{"name", s.name}};
    image.update(to_json(s.score));
    json["images"].push_back(image);
  }
  json["mean"] = to_json(mean(scores));
  write_file(path, json.dump(1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
}

Model load_luma_model(const Options& o) {
  const std::string checkpoint = find_checkpoint(weights_path(o.pretrained_path), o.factor);
  Model model = Model::load(checkpoint, o.factor);
  if (model.nchan() != 1)
    throw Error(Error::Kind::format, checkpoint, ": the weights are for ", model.nchan(),
                " channels together; the protocol scores luma, which needs a network of one channel");
  o.common.say("weights " + checkpoint + " (" + model.origin + ")");
  return model;
}

int run(Options& o) {
  o.common.apply();
  const std::vector<fs::path> images = find_images(o.data_path, extensions(o));
  if (!o.json.empty()) {
    for (const fs::path& image : images) check_replaces_not(o.json, "--json", image);
    check_replaces_not(o.json, "--json", find_checkpoint(weights_path(o.pretrained_path), o.factor));
    check_can_be_written(o.json);
  }
  Model model = load_luma_model(o);
  model.to(o.common.target());
  o.common.say(o.common.description());
  o.common.say("image                     bicubic PSNR / SSIM     network PSNR / SSIM");
  std::vector<NamedScore> scores;
  std::vector<std::string> failures;
  for (const fs::path& image : images) {
    if (interrupted) throw Error(Error::Kind::io, "interrupted; no scores were written");
    try {
      std::string note;
      const Tensor truth = read_ground_truth(image.string(), o.factor, &note);
      if (!note.empty()) o.common.say(image.filename().string() + ": " + note);
      scores.push_back({image.filename().string(), score(model, truth, o.self_ensemble)});
      o.common.say(row(scores.back().name, scores.back().score));
      std::fflush(stdout);
    } catch (const Error& e) {
      failures.push_back(e.what());
      print_error(kName, e.what());
    } catch (const std::bad_alloc&) {
      failures.push_back(image.string() + ": out of memory; cut it into smaller images");
      print_error(kName, failures.back().c_str());
    }
  }
  if (!scores.empty()) {
    o.common.say(row("mean of " + std::to_string(scores.size()), mean(scores)));
    if (!o.json.empty()) write_json(o.json, o.factor, scores);
  }
  return report_failures(failures, images.size());
}

}  // namespace
}  // namespace sr

int main(int argc, char** argv) {
  sr::Options options;
  CLI::App app(
      "Scores weights on ground-truth images: PSNR and SSIM of bicubic enlargement and of the network.",
      sr::kName);
  sr::add_options(app, options);
  return sr::run_program(app, argc, argv, [&] { return sr::run(options); });
}
