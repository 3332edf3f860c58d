#include "training/report/report.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>

#include "io/formats/picture.h"
#include "io/output_file.h"
#include "training/report/line_chart.h"
#include "training/report/residual_picture.h"

namespace sr {
namespace {

constexpr int64_t kEnlargedBelow = 400;  // pixels across; larger pictures are shown smaller than they are

constexpr const char* kStyle = R"css(
:root { color-scheme: light dark; --page: #fff; --text: #1c1e21; --muted: #5f6670; --line: #dfe2e6;
  --curve-0: #1764ab; --curve-1: #d1590a; }
@media (prefers-color-scheme: dark) { :root { --page: #16181b; --text: #e7e9ec; --muted: #9aa1ab; --line: #33373d;
  --curve-0: #6db1f2; --curve-1: #f79a55; } }
@media print { :root { --page: #fff; --text: #000; --muted: #444; --line: #ccc; --curve-0: #1764ab;
  --curve-1: #d1590a; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 76rem; padding: 1rem 1rem 3rem; background: var(--page); color: var(--text);
  font: 16px/1.45 system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
h1 { font-size: 1.5rem; margin: .5rem 0; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2rem 0 .6rem; padding-bottom: .25rem; border-bottom: 1px solid var(--line); }
h3 { font-size: .95rem; margin: 0; overflow-wrap: anywhere; }
p { margin: .3rem 0; }
.muted, .key, figcaption { color: var(--muted); font-size: .85rem; }
figcaption h3 { color: var(--text); }
figure { margin: 0; }
figure, section { break-inside: avoid; } h2, h3 { break-after: avoid; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 21rem), 1fr)); gap: 1.5rem; }
.chart { display: block; width: 100%; height: auto; margin-top: .3rem; }
.key { display: inline-block; margin-right: .8rem; white-space: nowrap; }
.key b { color: var(--text); font-variant-numeric: tabular-nums; }
.swatch { width: 1.25rem; height: .5rem; margin-right: .35rem; vertical-align: middle; }
path, circle { fill: none; stroke-width: 1.6; stroke-linejoin: round; } circle { stroke: none; }
path.curve-0 { stroke: var(--curve-0); } circle.curve-0 { fill: var(--curve-0); }
path.curve-1 { stroke: var(--curve-1); } circle.curve-1 { fill: var(--curve-1); }
path.reference { stroke: var(--muted); stroke-dasharray: 5 3; } circle.reference { fill: var(--muted); }
.grid { stroke: var(--line); } .base { stroke: var(--muted); }
.tick { fill: var(--muted); font-size: 11.5px; font-variant-numeric: tabular-nums; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem 1rem .3rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); }
th { font-weight: 600; } thead th { color: var(--muted); font-size: .85rem; }
.figures th + th, .figures td { text-align: right; padding: .3rem 0 .3rem 1rem; } .figures td { white-space: nowrap; }
@media (max-width: 40rem) { .figures { font-size: .85rem; } .figures th + th, .figures td { padding-left: .6rem; } }
.options td { overflow-wrap: anywhere; } .options th { font-weight: 400; white-space: nowrap; color: var(--muted); }
.sample { display: grid; gap: .6rem; margin: .5rem 0 1.8rem; grid-template-columns: repeat(3, 1fr);
  grid-template-areas: "gt bicubic result" "scale bicubic-residual result-residual"; }
@media (max-width: 40rem) { .sample { grid-template-columns: repeat(2, 1fr);
  grid-template-areas: "bicubic result" "bicubic-residual result-residual" "gt scale"; } }
.sample img { display: block; width: 100%; height: auto; border: 1px solid var(--line);
  print-color-adjust: exact; -webkit-print-color-adjust: exact; }
.pixels { image-rendering: pixelated; }
.sample .ramp { height: 1rem; }
.ends { display: flex; justify-content: space-between; font-size: .85rem; font-variant-numeric: tabular-nums; }
)css";

// ---- numbers ----

std::string fixed(double value, int decimals, const char* format = "%.*f") {
  if (!std::isfinite(value)) return "&ndash;";
  char text[64];
  std::snprintf(text, sizeof text, format, decimals, value);
  return text[0] == '-' ? "&minus;" + std::string(text + 1) : text;
}

std::string with_commas(int64_t number) {
  std::string text = std::to_string(number);
  for (auto at = std::ssize(text) - 3; at > 0; at -= 3) text.insert(static_cast<size_t>(at), ",");
  return text;
}

std::string duration(double seconds) {
  const auto whole = static_cast<int64_t>(std::llround(seconds));
  const int64_t hours = whole / 3600, minutes = whole / 60 % 60;
  if (hours > 0) return with_commas(hours) + " h " + std::to_string(minutes) + " min";
  if (minutes > 0) return std::to_string(minutes) + " min " + std::to_string(whole % 60) + " s";
  return std::to_string(whole) + " s";
}

// ---- sections ----

std::string summary(const Report& report) {
  std::string html =
      "<h1>" + html_escaped(report.title) + "</h1>\n<p>" + html_escaped(report.outcome) + "</p>\n";
  if (report.history.empty()) return html + "<p class=\"muted\">No step was taken.</p>\n";
  const HistoryPoint& last = report.history.back();
  return html + "<p class=\"muted\">" + with_commas(last.step) + (last.step == 1 ? " step, " : " steps, ") +
         with_commas(last.epoch) + (last.epoch == 1 ? " epoch, " : " epochs, ") + duration(last.seconds) +
         " of training</p>\n";
}

std::string figures_row(const std::string& name, const HistoryPoint& point) {
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  const double psnr = point.psnr.value_or(kNone), ssim = point.ssim.value_or(kNone);
  return "<tr><th>" + name + "</th><td>" + fixed(psnr, 2) + "</td><td>" +
         fixed(psnr - point.bicubic_psnr.value_or(kNone), 2, "%+.*f") + "</td><td>" + fixed(ssim, 4) +
         "</td><td>" + fixed(ssim - point.bicubic_ssim.value_or(kNone), 4, "%+.*f") + "</td></tr>\n";
}

/// The validation images' figures, last and best, against bicubic's.
std::string figures(const std::vector<HistoryPoint>& history) {
  std::string html = "<h2>Against bicubic</h2>\n";
  const HistoryPoint *last = nullptr, *best = nullptr;
  for (const HistoryPoint& point : history) {
    if (!point.psnr || !std::isfinite(*point.psnr)) continue;
    last = &point;
    if (!best || *point.psnr > *best->psnr) best = &point;
  }
  if (!last) return html + "<p class=\"muted\">No validation was made.</p>\n";
  const auto at = [](const HistoryPoint& point) { return ", step " + with_commas(point.step); };
  html +=
      "<div class=\"scroll\"><table class=\"figures\"><thead><tr><th></th><th>PSNR, dB</th><th>gain</th>"
      "<th>SSIM</th><th>gain</th></tr></thead><tbody>\n";
  HistoryPoint bicubic;
  bicubic.psnr = last->bicubic_psnr;
  bicubic.ssim = last->bicubic_ssim;
  html += figures_row("Bicubic", bicubic);
  if (last != best) html += figures_row("Last" + at(*last), *last);
  html += figures_row((last == best ? "Last and best" : "Best") + at(*best), *best);
  return html + "</tbody></table></div>\n";
}

Curve curve_of(const std::vector<HistoryPoint>& history, const char* name, double HistoryPoint::*figure) {
  Curve curve{name, {}};
  for (const HistoryPoint& p : history) curve.points.emplace_back(static_cast<double>(p.step), p.*figure);
  return curve;
}

Curve curve_of(const std::vector<HistoryPoint>& history, const char* name,
               std::optional<double> HistoryPoint::*measure, bool dashed = false) {
  Curve curve{name, {}, dashed};
  for (const HistoryPoint& p : history)
    if (p.*measure) curve.points.emplace_back(static_cast<double>(p.step), *(p.*measure));
  return curve;
}

std::string curves(const std::vector<HistoryPoint>& h) {
  if (h.empty()) return "";
  using Axis = LineChart::Axis;
  const LineChart charts[] = {
      {"Loss",
       {curve_of(h, "training", &HistoryPoint::train_loss),
        curve_of(h, "validation", &HistoryPoint::validation_loss)},
       Axis::logarithmic},
      {"PSNR, dB",
       {curve_of(h, "network", &HistoryPoint::psnr),
        curve_of(h, "bicubic", &HistoryPoint::bicubic_psnr, true)},
       Axis::trimmed},
      {"SSIM",
       {curve_of(h, "network", &HistoryPoint::ssim),
        curve_of(h, "bicubic", &HistoryPoint::bicubic_ssim, true)},
       Axis::trimmed},
      {"Spectral angle, degrees",
       {curve_of(h, "network", &HistoryPoint::spectral_angle),
        curve_of(h, "bicubic", &HistoryPoint::bicubic_spectral_angle, true)},
       Axis::trimmed},
      {"Learning rate", {curve_of(h, "last", &HistoryPoint::learning_rate)}, Axis::from_zero},
      {"Pixels per second", {curve_of(h, "last", &HistoryPoint::pixels_per_second)}, Axis::from_zero},
  };
  std::string html = "<h2>Curves</h2>\n<div class=\"plots\">\n";
  for (const LineChart& chart : charts)
    if (std::any_of(chart.curves.begin(), chart.curves.end(),
                    [](const Curve& c) { return !c.points.empty(); }))
      html += svg_figure(chart);
  return html + "</div>\n";
}

// ---- pictures ----

std::string base64(const std::string& bytes) {
  constexpr const char* kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const auto byte = [&](size_t at) { return at < bytes.size() ? static_cast<uint8_t>(bytes[at]) : 0u; };
    const uint32_t three = byte(i) << 16 | byte(i + 1) << 8 | byte(i + 2);
    for (size_t k = 0; k < 4; ++k) text += i + k > bytes.size() ? '=' : kDigits[three >> (18 - 6 * k) & 63];
  }
  return text;
}

std::string image(const Raster& picture, const std::string& alt, const std::string& css_class) {
  return "<img class=\"" + css_class + "\" alt=\"" + html_escaped(alt) + "\" width=\"" +
         std::to_string(picture.window.w) + "\" height=\"" + std::to_string(picture.window.h) +
         "\" src=\"data:image/png;base64," + base64(encode_png(picture)) + "\">";
}

/// The colours of the residuals from -scale to +scale, made as they are.
std::string colour_scale(double scale) {
  constexpr int kSteps = 255;
  Tensor ramp(Shape{1, 1, kSteps, 1});
  for (int i = 0; i < kSteps; ++i) ramp.data()[i] = static_cast<float>(i - kSteps / 2) / (kSteps / 2);
  char ends[64];
  std::snprintf(ends, sizeof ends, "%.3g", scale);
  return "<figure style=\"grid-area: scale\"><figcaption>Difference from the original</figcaption>" +
         image(false_colour(ramp, 1), "colours of the differences", "ramp") +
         "<div class=\"ends\"><span>&minus;" + ends + "</span><span>0</span><span>+" + ends +
         "</span></div><div class=\"ends muted\"><span>darker</span><span>brighter</span></div></figure>\n";
}

std::string sample(const ReportPictures& s) {
  const auto cell = [&](const char* area, const char* caption, const Raster& picture) {
    const char* shown = picture.window.w < kEnlargedBelow ? "pixels" : "picture";
    return std::string("<figure style=\"grid-area: ") + area + "\"><figcaption>" + caption + "</figcaption>" +
           image(picture, s.name + ": " + caption, shown) + "</figure>\n";
  };
  return "<section><h3>" + html_escaped(s.name) + "</h3>\n<div class=\"sample\">\n" +
         cell("gt", "Original", s.gt) + cell("bicubic", "Bicubic", s.bicubic) +
         cell("result", "Network", s.result) + colour_scale(s.residual_scale) +
         cell("bicubic-residual", "Bicubic, difference", s.bicubic_residual) +
         cell("result-residual", "Network, difference", s.result_residual) + "</div></section>\n";
}

std::string pictures(const std::vector<ReportPictures>& samples) {
  if (samples.empty()) return "";
  std::string html = "<h2>Validation pictures</h2>\n";
  for (const ReportPictures& s : samples) html += sample(s);
  return html;
}

std::string options_table(const std::vector<std::pair<std::string, std::string>>& options) {
  if (options.empty()) return "";
  std::string html = "<h2>Options</h2>\n<table class=\"options\"><tbody>\n";
  for (const auto& [name, value] : options)
    html += "<tr><th>" + html_escaped(name) + "</th><td>" + html_escaped(value) + "</td></tr>\n";
  return html + "</tbody></table>\n";
}

}  // namespace

void write_report(const std::string& path, const Report& report) {
  // The policy makes sure that the page loads and runs nothing, whatever the names in it say.
  const std::string head =
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; "
      "style-src 'unsafe-inline'\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>" +
      html_escaped(report.title) + "</title>\n<style>" + kStyle + "</style></head>\n<body>\n";
  write_file(path, head + summary(report) + figures(report.history) + curves(report.history) +
                       pictures(report.pictures) + options_table(report.options) + "</body></html>\n");
}

}  // namespace sr
