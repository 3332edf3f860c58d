// The command line of eval_superres_net.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "scene/scene.h"
#include "tools/program.h"

namespace sr {

/// The program, in what it says.
inline constexpr const char* kEvalName = "eval_superres_net";

/// As given, and what settle() makes of them in `scene`.
struct EvalOptions {
  std::string data_path, pretrained_path, mean_values_path, out_path, out_file, img_ext = ".tif";
  int factor = 2;
  std::vector<std::string> value_range;
  std::vector<double> roi_geo;
  std::vector<int64_t> roi;
  std::string max_memory = "2GB", colour_mode = "auto", compress = "deflate", interleave = "pixel",
              predictor = "yes", palette = "auto", shard = "auto", alpha;
  const CLI::Option *quality = nullptr, *max_z_error = nullptr;
  SceneOptions scene;
  bool bicubic = false, bicubic_only = false, preview = false, dry_run = false, overwrite = false,
       quality_record = false, spread = false, profile = false;
  std::string json;
  std::vector<std::string> arguments;  // as given
  CommonOptions common;
};

void add_options(CLI::App& app, EvalOptions& options);

/// Sets `scene` by what the other fields say. Errors: usage.
void settle(EvalOptions& options);

}  // namespace sr
