// The files of one scene's results, while they are written.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "io/tiff/output/writer.h"
#include "scene/prepare.h"

namespace sr {

/// What merge_scene() and upscale_scene() write: the results that are wanted, side by side.
class SceneFiles {
 public:
  /// All of it must outlive this.
  SceneFiles(const PreparedScene& scene, const SceneResults& results, const SceneJobs& jobs,
             const SceneOptions& options, const SceneEvents& events)
      : scene_(scene), results_(results), jobs_(jobs), options_(options), events_(events) {}

  /// Each is begun, or gone on with, under the line that `files` has for it; those that are made already are
  /// left as they are. If it throws, what other runs have left of the files that are open already can be
  /// kept.
  void open(const SceneJobs& files);

  bool with_bicubic() const { return bicubic_.has_value(); }

  /// The results that are open.
  std::vector<std::string> made() const;

  /// Whether a pixel of the tile is still to come in any of them.
  bool want(const Tile& tile) const;

  void write(FineTile& tile);

  /// Takes the blocks of these parts instead of tiles; `order` as TiffWriter::take_over has it.
  void take_over(std::span<const PartOfScene> parts, std::span<const int64_t> order, const SceneJobs& files);

  void finish();

  /// Names them as they are: TiffWriter::finish_sparse().
  void finish_sparse();

  /// Beside each result, RESULT.vrt: the whole of parts that were named so.
  void write_vrts(std::span<const PartOfScene> parts) const;

  /// They stay unfinished, for another run. Returns where, for people; "" if nothing is done.
  std::string keep();

 private:
  struct Result {
    std::optional<TiffWriter> SceneFiles::*writer;
    std::string name;
    TiffInfo info;
    TiffWriterOptions writing;
    const std::string SceneJobs::*job;
  };

  std::vector<Result> wanted() const;
  void open(const Result& result, const SceneJobs& files);
  TiffInfo described(const Model* by, const std::string& job) const;

  const PreparedScene& scene_;
  const SceneResults& results_;
  const SceneJobs& jobs_;
  const SceneOptions& options_;
  const SceneEvents& events_;
  std::optional<TiffWriter> upscaled_, bicubic_, spread_;
};

}  // namespace sr
