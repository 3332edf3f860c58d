// TensorBoard's event files: figures and pictures of a run, watched while it goes on.
#pragma once

#include <cstdint>
#include <string>

#include "io/output_file.h"
#include "io/raster.h"

namespace sr {

/// One event file in a folder that TensorBoard reads (docs/formats.md). Every figure and picture is in the
/// file when its call returns; a run that is killed leaves all that it logged.
class EventLog {
 public:
  /// Starts a new file FOLDER/events.out.tfevents.SECONDS.HOST; creates the folder. `first_step` is the first
  /// step that this run will log: TensorBoard forgets what older files of the folder say from there on, which
  /// is what a run did after the checkpoint that this one goes on from. Errors: io.
  EventLog(const std::string& folder, int64_t first_step);

  /// The file.
  const std::string& path() const { return file_.path(); }

  /// A figure, kept as float32. `tag` names its curve: "loss/train". Errors: io.
  void scalar(const std::string& tag, int64_t step, double value);
  /// A picture as PNG. Errors: as encode_png; io.
  void image(const std::string& tag, int64_t step, const Raster& picture);
  /// Returns when all of it would survive a power cut. Errors: io.
  void flush() { file_.sync(); }

 private:
  void append(const std::string& event);

  AppendedFile file_;
};

}  // namespace sr
