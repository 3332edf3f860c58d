// Curves over training steps as SVG, for the report.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace sr {

/// Points (x, y) with x ascending. Where y is not finite the line is interrupted.
struct Curve {
  std::string name;
  std::vector<std::pair<double, double>> points;
  bool dashed = false;  ///< a reference, drawn in grey
};

struct LineChart {
  enum class Axis {
    from_zero,    ///< all values, and zero
    trimmed,      ///< without the few that lie far from all others: a run's first steps
    logarithmic,  ///< all values; linear unless all are positive
  };

  std::string title;  ///< with the unit
  std::vector<Curve> curves;
  Axis axis = Axis::from_zero;
};

/// A <figure> with the title, a legend that tells each curve's last value, and an <svg> whose colours are the
/// page's (classes curve-0, curve-1, ..., reference, grid, tick). Its size does not grow with the number of
/// points: of each column of the picture the first, lowest, highest and last are drawn.
std::string svg_figure(const LineChart& chart);

/// `text` as HTML shows it literally, also in attributes.
std::string html_escaped(const std::string& text);

}  // namespace sr
