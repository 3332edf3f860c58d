#include "io/tiff/tags/grid_files.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace sr {
namespace {

constexpr size_t kMostTabPoints = 256;  // GDAL's limit

std::optional<GeoTransform> read_world_file(const std::string& text) {
  const std::vector<std::string_view> lines = filled_lines(text);
  if (lines.size() < 6) return std::nullopt;
  std::array<double, 6> n{};
  std::transform(lines.begin(), lines.begin() + 6, n.begin(), leading_number);
  if (!std::all_of(n.begin(), n.end(), [](double value) { return std::isfinite(value); }))
    return std::nullopt;
  // x = A column + B row + C and y = D column + E row + F at pixel centres.
  const auto [a, d, b, e, c, f] = n;
  if ((a == 0 && b == 0) || (d == 0 && e == 0)) return std::nullopt;
  return GeoTransform{c - (a + b) / 2, a, b, f - (d + e) / 2, d, e};
}

// The words of a line of a .tab; quotes hold words together.
std::vector<std::string> words_of(std::string_view line) {
  std::vector<std::string> words;
  bool quoted = false, in_word = false;
  for (const char c : line) {
    if (c == '"') {
      quoted = !quoted;
      if (!in_word) words.emplace_back();
      in_word = true;
    } else if (!quoted && std::string_view(" \t(),;").find(c) != std::string_view::npos) {
      in_word = false;
    } else {
      if (!in_word) words.emplace_back();
      in_word = true;
      words.back() += c;
    }
  }
  return words;
}

// Datums of MapInfo with the EPSG codes of their geographic system and of UTM zone 0 in the north.
struct Datum {
  const char* number;
  int geographic, utm, first_zone, last_zone;
};
constexpr Datum kDatums[] = {
    {"104", 4326, 32600, 1, 60}, {"115", 4258, 25800, 28, 38}, {"74", 4269, 26900, 1, 23}};

// The EPSG code of "CoordSys Earth Projection TYPE, DATUM, ...": geographic or UTM.
std::optional<int> epsg_of(const std::vector<std::string>& words, bool degrees) {
  if (words.size() < 5 || lower(words[1]) != "earth") return std::nullopt;
  const auto* datum = std::find_if(std::begin(kDatums), std::end(kDatums),
                                   [&](const Datum& known) { return words[4] == known.number; });
  if (datum == std::end(kDatums)) return std::nullopt;
  if (words[3] == "1" || degrees) return datum->geographic;
  if (words[3] != "8" || words.size() < 11 || lower(words[5]) != "m") return std::nullopt;
  const auto number = [&](size_t i) { return leading_number(words[i]); };
  const double zone = (number(6) + 183) / 6, north = number(10);
  const bool southern = north == 10000000 && datum->utm == 32600;
  const bool utm = zone == std::round(zone) && zone >= datum->first_zone && zone <= datum->last_zone &&
                   number(7) == 0 && number(8) == 0.9996 && number(9) == 500000 && (north == 0 || southern);
  if (!utm) return std::nullopt;
  return datum->utm + (southern ? 100 : 0) + static_cast<int>(zone);
}

}  // namespace

std::optional<GeoTransform> world_file_grid(const Siblings& beside) {
  const std::string& e = beside.extension();
  std::vector<std::string> extensions;
  if (e.size() >= 2) extensions = {{e.front(), e.back(), 'w'}, e + 'w'};
  extensions.push_back("wld");
  for (const std::string& extension : extensions) {
    const std::string name = beside.find(beside.stem() + '.' + extension);
    if (name.empty()) continue;
    if (const auto grid = read_world_file(beside.text(name))) return grid;
  }
  return std::nullopt;
}

TabFile read_tab_file(const Siblings& beside) {
  TabFile tab;
  const std::string name = beside.find(beside.stem() + ".tab");
  const std::string text = name.empty() ? "" : beside.text(name);
  bool definition = false, raster = false, degrees = false;
  std::vector<std::string> system;
  for (const std::string_view line : filled_lines(text)) {
    const std::vector<std::string> words = words_of(line);
    if (words.size() < 2) continue;
    const std::string first = lower(words[0]);
    if (first == "definition" && lower(words[1]) == "table") {
      definition = true;
    } else if (definition && first == "type") {
      raster = lower(words[1]) == "raster";
      if (!raster) return {};
    } else if (raster && words.size() > 4 && lower(words[4]) == "label" &&
               tab.control_points.size() < 6 * kMostTabPoints) {
      for (const size_t i : {2, 3}) tab.control_points.push_back(leading_number(words[i]));
      tab.control_points.push_back(0);
      for (const size_t i : {0, 1}) tab.control_points.push_back(leading_number(words[i]));
      tab.control_points.push_back(0);
    } else if (raster && first == "coordsys") {
      tab.coordinate_system = line;
      system = words;
    } else if (first == "units") {
      degrees = lower(words[1]) == "degree";
    }
  }
  tab.epsg = epsg_of(system, degrees);
  if (tab.control_points.empty()) return {};
  tab.name = name;
  tab.grid = fitted_grid(tab.control_points);
  if (tab.grid) tab.control_points.clear();
  return tab;
}

std::optional<GeoTransform> fitted_grid(const std::vector<double>& points) {
  struct Point {
    double column, row, x, y;
  };
  std::vector<Point> all;
  for (size_t i = 0; i + 5 < points.size(); i += 6) {
    all.push_back({points[i], points[i + 1], points[i + 3], points[i + 4]});
  }
  if (all.size() < 2) return std::nullopt;
  if (all.size() == 2) {
    const auto &p = all[0], &q = all[1];
    if (p.column == q.column || p.row == q.row) return std::nullopt;
    const double x = (q.x - p.x) / (q.column - p.column), y = (q.y - p.y) / (q.row - p.row);
    return GeoTransform{p.x - p.column * x, x, 0, p.y - p.row * y, 0, y};
  }
  // Least squares about the first point, from which the sums stay small.
  const Point o = all[0];
  const auto n = static_cast<double>(all.size());
  double c = 0, r = 0, cc = 0, rr = 0, cr = 0, x = 0, xc = 0, xr = 0, y = 0, yc = 0, yr = 0;
  for (const Point& p : all) {
    const double dc = p.column - o.column, dr = p.row - o.row, dx = p.x - o.x, dy = p.y - o.y;
    c += dc, r += dr, cc += dc * dc, rr += dr * dr, cr += dc * dr;
    x += dx, xc += dx * dc, xr += dx * dr, y += dy, yc += dy * dc, yr += dy * dr;
  }
  const double vcc = cc - c * c / n, vrr = rr - r * r / n, vcr = cr - c * r / n;
  const double area = vcc * vrr - vcr * vcr;
  if (!(std::abs(area) > 1e-12 * vcc * vrr)) return std::nullopt;  // on one line
  const auto solve = [&](double sum, double with_c, double with_r) {
    const double vc = with_c - sum * c / n, vr = with_r - sum * r / n;
    const double a = (vc * vrr - vr * vcr) / area, b = (vr * vcc - vc * vcr) / area;
    return std::array<double, 3>{(sum - a * c - b * r) / n, a, b};
  };
  const auto [x0, xa, xb] = solve(x, xc, xr);
  const auto [y0, ya, yb] = solve(y, yc, yr);
  GeoTransform g{o.x + x0 - xa * o.column - xb * o.row, xa, xb,
                 o.y + y0 - ya * o.column - yb * o.row, ya, yb};
  // What rounding left of a rotation that is none.
  for (const size_t i : {2, 4}) {
    if (std::abs(g[i]) < 1e-13 * (std::abs(g[1]) + std::abs(g[5]))) g[i] = 0;
  }
  const double most = 0.25 * (std::abs(xa) + std::abs(xb) + std::abs(ya) + std::abs(yb)) / 2;
  const bool on_it = std::all_of(all.begin(), all.end(), [&](const Point& p) {
    return std::abs(g[0] + g[1] * p.column + g[2] * p.row - p.x) <= most &&
           std::abs(g[3] + g[4] * p.column + g[5] * p.row - p.y) <= most;
  });
  return on_it && most > 0 ? std::optional(g) : std::nullopt;
}

}  // namespace sr
