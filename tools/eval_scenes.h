// What eval_superres_net makes of each of its scenes, for who makes it of parts too.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "idn/model.h"
#include "scene/scene.h"
#include "tools/eval_options.h"

namespace sr {

/// Where the results go.
std::string result_folder(const EvalOptions& o);

/// What is written for an image; an empty name = not wanted.
struct Outputs {
  std::string upscaled, bicubic, spread, preview, quality;

  std::vector<std::string> files() const;
  SceneResults results() const { return {upscaled, bicubic, spread}; }
  /// The one that people ask for.
  const std::string& main() const { return upscaled.empty() ? bicubic : upscaled; }
};

Outputs outputs_of(const std::filesystem::path& image, const std::filesystem::path& folder,
                   const EvalOptions& o);

/// The model, unless the bicubic result is all that is wanted; sets what the results say of it. Errors: those
/// of find_checkpoint() and Model::load().
std::optional<Model> load_model(EvalOptions& o);

/// Says which results were just made, `how` behind the first, and which files beside them may overrule them.
void tell_of_results(const char* done, const SceneDone& made, const std::string& how, const EvalOptions& o);

/// Writes what is asked for of an image beside its results, which were just made, and tells.
void write_rest(const std::filesystem::path& image, const Outputs& outputs, const Model* model,
                const EvalOptions& o, const SceneDone& made, double seconds);

/// The preview, if it has a name.
void write_preview(const std::filesystem::path& image, const Outputs& outputs, const EvalOptions& o);

/// The error's text, with the image's name in it.
std::string failure_of(const std::filesystem::path& image, const std::string& text);

}  // namespace sr
