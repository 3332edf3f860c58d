// The figures of a training run, kept beside its checkpoints: a run that was stopped and restored reports on
// all of it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "io/output_file.h"

namespace sr {

/// A figure that could not be computed is NaN (a loss) or absent (a measure that was not taken at this step).
struct HistoryPoint {
  int64_t step = 0, epoch = 0;
  double seconds = 0;  ///< of training so far, those before a restart included
  double learning_rate = 0;
  double train_loss = 0;         ///< mean since the point before
  double pixels_per_second = 0;  ///< fine pixels trained on, since the point before
  std::optional<double> validation_loss;
  std::optional<double> psnr, ssim, bicubic_psnr, bicubic_ssim;  ///< of the validation images
  std::optional<double> spectral_angle, bicubic_spectral_angle;  ///< likewise, in degrees; of joint networks
};

/// RUN/x2/history.jsonl (docs/formats.md): the points of one run, oldest first.
class TrainingHistory {
 public:
  /// Reads what is there and drops what a run did after step `last_step`, from which this one goes on, and a
  /// last line that is not whole. No file is an empty history. Errors: io; format (the file is something else
  /// or damaged; it is left as it is); limit (256 MiB).
  TrainingHistory(const std::string& path, int64_t last_step);

  const std::vector<HistoryPoint>& points() const { return points_; }

  /// Appends the point; it is on the disk when the call returns. Errors: io.
  void add(const HistoryPoint& point);

 private:
  std::vector<HistoryPoint> points_;
  AppendedFile file_;
};

}  // namespace sr
