#include "training/report/line_chart.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <limits>

namespace sr {
namespace {

// The picture in units of its viewBox, and the frame of the curves in it.
constexpr double kWidth = 420, kHeight = 220;
constexpr double kLeft = 50, kRight = 410, kTop = 8, kBottom = 190;

template <class... Values>
std::string formatted(const char* format, Values... values) {
  char text[128];
  std::snprintf(text, sizeof text, format, values...);
  return text;
}

// ---- axes ----

struct Range {
  double low = std::numeric_limits<double>::infinity(), high = -low;
  void add(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
  bool empty() const { return low > high; }
};

struct AxisScale {
  Range range;
  bool logarithmic = false;

  /// 0 at the low end, 1 at the high one.
  double place(double value) const {
    if (logarithmic) return std::log(value / range.low) / std::log(range.high / range.low);
    return (value - range.low) / (range.high - range.low);
  }
};

/// 1, 2 or 5 times a power of ten, so that about so many fit in.
double round_step(double span, int intervals) {
  const double raw = 0.85 * span / intervals, decade = std::pow(10.0, std::floor(std::log10(raw)));
  for (const double factor : {1.0, 2.0, 5.0})
    if (factor * decade >= raw) return factor * decade;
  return 10 * decade;
}

std::vector<double> linear_ticks(const Range& range, int intervals, double least_step = 0) {
  const double step = std::max(least_step, round_step(range.high - range.low, intervals));
  std::vector<double> ticks;
  for (double k = std::ceil(range.low / step - 1e-9); k * step <= range.high + 1e-9 * step; ++k)
    ticks.push_back(k * step);
  return ticks;
}

std::vector<double> logarithmic_ticks(const Range& range, int intervals) {
  std::vector<double> all, decades;
  const int first = static_cast<int>(std::floor(std::log10(range.low)));
  const int last = static_cast<int>(std::floor(std::log10(range.high)));
  for (int exponent = first; exponent <= last; ++exponent)
    for (const int factor : {1, 2, 5}) {
      const double value = factor * std::pow(10.0, exponent);
      if (value < range.low || value > range.high) continue;
      all.push_back(value);
      if (factor == 1) decades.push_back(value);
    }
  if (all.size() < 2) return linear_ticks(range, intervals);
  if (all.size() <= 7) return all;
  std::vector<double> ticks;  // every decade, or every other, ...
  const size_t every = decades.size() / 7 + 1;
  for (size_t i = 0; i < decades.size(); i += every) ticks.push_back(decades[i]);
  return ticks;
}

/// "2e-05" as "2e-5".
std::string short_exponent(std::string text) {
  if (const size_t e = text.find('e'); e != std::string::npos && text.size() > e + 2 && text[e + 2] == '0')
    text.erase(e + 2, 1);
  return text;
}

/// `value` in thousands, millions or billions if the largest one beside it is that large. `step`: between the
/// ticks of a linear axis, which are told apart with as many digits; 0 for others.
std::string label(double value, double largest, double step = 0) {
  const auto [unit, letter] = largest >= 1e9   ? std::pair(1e9, "G")
                              : largest >= 1e6 ? std::pair(1e6, "M")
                              : largest >= 1e4 ? std::pair(1e3, "k")
                                               : std::pair(1.0, "");
  if (std::abs(value) < 1e-9 * largest) return "0";
  if (step == 0) return short_exponent(formatted("%.4g", value / unit)) + letter;
  const int decimals = std::max(0, static_cast<int>(std::ceil(-std::log10(step / unit) - 1e-9)));
  if (decimals <= 4) return formatted("%.*f", decimals, value / unit) + letter;
  const int digits = 1 + static_cast<int>(std::floor(std::log10(largest)) - std::floor(std::log10(step)));
  return short_exponent(formatted("%.*g", digits, value / unit)) + letter;
}

/// What the y axis must show of the curves: between outliers if it is trimmed, with the references always.
Range range_of_values(const LineChart& chart) {
  std::vector<double> values;
  Range all, references;
  for (const Curve& curve : chart.curves)
    for (const auto& [x, y] : curve.points) {
      if (!std::isfinite(y)) continue;
      all.add(y);
      curve.dashed ? references.add(y) : values.push_back(y);
    }
  if (chart.axis != LineChart::Axis::trimmed || values.empty()) return all;
  std::sort(values.begin(), values.end());
  const size_t tail = values.size() / 20;
  const double low = values[tail], high = values[values.size() - 1 - tail], span = high - low;
  if (span == 0) return all;
  Range range{std::max(all.low, low - span), std::min(all.high, high + span)};
  if (!references.empty()) {
    range.add(references.low);
    range.add(references.high);
  }
  return range;
}

/// With some air above and below, so that a flat curve has an axis too.
Range widened(const Range& range, LineChart::Axis axis, bool logarithmic) {
  if (logarithmic) {
    const double factor = range.high > range.low ? std::pow(range.high / range.low, 0.05) : 1.5;
    return {range.low / factor, range.high * factor};
  }
  double air = 0.05 * (range.high - range.low);
  // Doubles must still tell the ticks apart.
  const double least = 1e-9 * std::max(std::abs(range.low), std::abs(range.high));
  if (air <= least) air = range.high != 0 ? 0.05 * std::abs(range.high) : 1;
  if (axis != LineChart::Axis::from_zero) return {range.low - air, range.high + air};
  return {std::min(0.0, range.low), std::max(0.0, range.high) + air};
}

AxisScale y_axis(const LineChart& chart) {
  bool logarithmic = chart.axis == LineChart::Axis::logarithmic;
  for (const Curve& curve : chart.curves)
    for (const auto& [x, y] : curve.points)
      if (std::isfinite(y) && y <= 0) logarithmic = false;
  const Range range = range_of_values(chart);
  if (range.empty()) return {{0, 1}};
  if (logarithmic && range.high / range.low > 1e100)
    logarithmic = false;  // beyond what the ticks are made for
  return {widened(range, chart.axis, logarithmic), logarithmic};
}

/// Steps, from 0.
AxisScale x_axis(const LineChart& chart) {
  Range range{0, 1};
  for (const Curve& curve : chart.curves)
    for (const auto& [x, y] : curve.points) range.add(x);
  return {range};
}

// ---- drawing ----

double spacing(const std::vector<double>& ticks) {
  return ticks.size() < 2 ? 0 : ticks[1] - ticks[0];
}

std::string drawn_axes(const AxisScale& x, const AxisScale& y) {
  std::string svg;
  const auto largest = [](const Range& r) { return std::max(std::abs(r.low), std::abs(r.high)); };
  const auto y_ticks = y.logarithmic ? logarithmic_ticks(y.range, 5) : linear_ticks(y.range, 5);
  for (const double value : y_ticks) {
    const double at = kBottom - y.place(value) * (kBottom - kTop);
    svg += formatted("<line class=\"grid\" x1=\"%g\" x2=\"%g\" y1=\"%.1f\" y2=\"%.1f\"/>", kLeft, kRight, at,
                     at) +
           formatted("<text class=\"tick\" text-anchor=\"end\" x=\"%g\" y=\"%.1f\">", kLeft - 6, at + 4) +
           label(value, largest(y.range), y.logarithmic ? 0 : spacing(y_ticks)) + "</text>";
  }
  svg += formatted("<line class=\"base\" x1=\"%g\" x2=\"%g\" y1=\"%g\" y2=\"%g\"/>", kLeft, kRight, kBottom,
                   kBottom);
  const auto x_ticks = linear_ticks(x.range, 5, 1);
  for (const double value : x_ticks) {
    const double at = kLeft + x.place(value) * (kRight - kLeft);
    const bool at_the_edge = at > kRight - 12;
    svg += formatted("<line class=\"base\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%g\" y2=\"%g\"/>", at, at, kBottom,
                     kBottom + 4) +
           formatted("<text class=\"tick\" text-anchor=\"%s\" x=\"%.1f\" y=\"%g\">",
                     at_the_edge ? "end" : "middle", at_the_edge ? kRight : at, kBottom + 17) +
           label(value, largest(x.range), spacing(x_ticks)) + "</text>";
  }
  return svg;
}

/// The line of one curve as the points of a path; collects the points of one picture column before it draws
/// the four that are seen.
class PathDrawer {
 public:
  PathDrawer(const AxisScale& x, const AxisScale& y) : x_(x), y_(y) {}

  void add(double x, double y) {
    if (!std::isfinite(y)) return end_line();
    const double left = kLeft + x_.place(x) * (kRight - kLeft);
    const double top = std::clamp(kBottom - y_.place(y) * (kBottom - kTop), -kHeight, 2 * kHeight);
    const auto column = static_cast<int64_t>(2 * left);
    if (column != column_) end_column();
    column_ = column;
    in_column_.emplace_back(left, top);
  }

  /// Lines, and dots where a point has no neighbour.
  std::string svg(const std::string& css_class) {
    end_line();
    std::string out = path_.empty() ? "" : "<path class=\"" + css_class + "\" d=\"" + path_ + "\"/>";
    for (const auto& [left, top] : dots_)
      out +=
          formatted("<circle class=\"%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"2.5\"/>", css_class.c_str(), left, top);
    return out;
  }

 private:
  using Place = std::pair<double, double>;

  void end_column() {
    if (in_column_.empty()) return;
    const auto lower = [](const Place& a, const Place& b) { return a.second < b.second; };
    const auto [least, most] = std::minmax_element(in_column_.begin(), in_column_.end(), lower);
    std::vector<std::ptrdiff_t> seen{0, least - in_column_.begin(), most - in_column_.begin(),
                                     std::ssize(in_column_) - 1};
    std::sort(seen.begin(), seen.end());
    seen.erase(std::unique(seen.begin(), seen.end()), seen.end());
    for (const std::ptrdiff_t index : seen) line_.push_back(in_column_[static_cast<size_t>(index)]);
    in_column_.clear();
  }

  void end_line() {
    end_column();
    if (line_.size() == 1) dots_.push_back(line_.front());
    if (line_.size() > 1)
      for (const Place& p : line_)
        path_ += formatted("%c%.1f %.1f", &p == line_.data() ? 'M' : 'L', p.first, p.second);
    line_.clear();
  }

  const AxisScale &x_, &y_;
  int64_t column_ = -1;
  std::vector<Place> in_column_, line_, dots_;
  std::string path_;
};

std::string css_class(const LineChart& chart, size_t index) {
  return chart.curves[index].dashed ? "reference" : "curve-" + std::to_string(index);
}

std::string legend(const LineChart& chart) {
  std::string html;
  for (size_t i = 0; i < chart.curves.size(); ++i) {
    const Curve& curve = chart.curves[i];
    if (curve.points.empty()) continue;
    const double last = curve.points.back().second;
    html += "<span class=\"key\"><svg class=\"swatch\" viewBox=\"0 0 20 8\"><path class=\"" +
            css_class(chart, i) + "\" d=\"M0 4L20 4\"/></svg>" + html_escaped(curve.name) + " <b>" +
            (std::isfinite(last) ? label(last, std::abs(last)) : "no number") + "</b></span> ";
  }
  return html;
}

}  // namespace

std::string svg_figure(const LineChart& chart) {
  const AxisScale x = x_axis(chart), y = y_axis(chart);
  std::string svg =
      formatted("<svg class=\"chart\" role=\"img\" viewBox=\"0 0 %g %g\" aria-label=\"", kWidth, kHeight) +
      html_escaped(chart.title) + " over training steps\">" + drawn_axes(x, y) +
      // A frame of its own cuts off what lies outside the axes.
      formatted("<svg x=\"%g\" y=\"%g\" width=\"%g\" height=\"%g\" viewBox=\"%g %g %g %g\">", kLeft - 4,
                kTop - 4, kRight - kLeft + 8, kBottom - kTop + 8, kLeft - 4, kTop - 4, kRight - kLeft + 8,
                kBottom - kTop + 8);
  for (size_t i = 0; i < chart.curves.size(); ++i) {
    PathDrawer drawer(x, y);
    for (const auto& [at, value] : chart.curves[i].points) drawer.add(at, value);
    svg += drawer.svg(css_class(chart, i));
  }
  svg += "</svg>" + formatted("<text class=\"tick\" text-anchor=\"end\" x=\"%g\" y=\"%g\">step</text></svg>",
                              kRight, kHeight - 1);
  return "<figure class=\"plot\"><figcaption><h3>" + html_escaped(chart.title) +
         (y.logarithmic ? ", logarithmic" : "") + "</h3>" + legend(chart) + "</figcaption>" + svg +
         "</figure>\n";
}

std::string html_escaped(const std::string& text) {
  std::string html;
  for (const char c : text) {
    if (c == '&') {
      html += "&amp;";
    } else if (c == '<') {
      html += "&lt;";
    } else if (c == '>') {
      html += "&gt;";
    } else if (c == '"') {
      html += "&quot;";
    } else if (c == '\'') {
      html += "&#39;";
    } else {
      html += c;
    }
  }
  return html;
}

}  // namespace sr
