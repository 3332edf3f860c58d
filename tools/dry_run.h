// What eval_superres_net would do, for people and as JSON.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "io/json_text.h"
#include "scene/prepare.h"
#include "tools/program.h"

namespace sr {

class DryRun {
 public:
  /// `json`: a file for the same as JSON; "-": it goes to the standard output, and nothing else; "": no JSON.
  DryRun(const CommonOptions& common, std::string json);

  /// Runs a check of what is common to all scenes. False, and noted, if it ends with an Error.
  bool passes(const std::function<void()>& check);

  /// Plans the scene; what would be refused is noted. `files` are all that would be written.
  void add(const std::string& image, const SceneResults& results, const std::vector<std::string>& files,
           const Model* model, int factor, const SceneOptions& options);

  /// Says what all takes, compares it with the free space of the disk that `folder` is or would be on, and
  /// writes the JSON. The exit status: 1 if anything would be refused.
  int finish(const std::string& folder);

 private:
  void say(const std::string& text) const;
  void refuse(const std::string& text);

  const CommonOptions& common_;
  std::string json_path_;
  nlohmann::ordered_json json_;
  int refused_ = 0;
  int64_t bytes_ = 0;
  double seconds_ = 0;
};

/// The folder itself, or the first above it that there is. Errors: io (it is no folder, or may not be written
/// to); `option` is the one that chooses another.
std::string existing_folder(const std::string& folder, const std::string& option);

}  // namespace sr
