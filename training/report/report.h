// What a training run leaves for people: one page with its curves, pictures and figures.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "io/raster.h"
#include "training/report/history.h"

namespace sr {

/// A validation image: u8 of 1 or 3 bands, all of one size; the residuals are false_colour() of bicubic - gt
/// and result - gt.
struct ReportPictures {
  std::string name;
  Raster gt, bicubic, result;
  Raster bicubic_residual, result_residual;
  double residual_scale = 0;  ///< as given to false_colour() for both
};

struct Report {
  std::string title;
  std::vector<std::pair<std::string, std::string>> options;  ///< name and value
  std::vector<HistoryPoint> history;                         ///< oldest first; may be empty
  std::vector<ReportPictures> pictures;
  std::string outcome;  ///< "finished", "stopped by Ctrl-C", ...
};

/// Writes one HTML file that needs nothing besides itself: no script, no network. It appears under its name
/// when it is complete. Errors: as encode_png; io.
void write_report(const std::string& path, const Report& report);

}  // namespace sr
