#include "scene/repeated_pixels.h"

#include <algorithm>
#include <numeric>
#include <set>
#include <sstream>

namespace sr {
namespace {

constexpr int64_t kWindow = 64, kWindowsAlong = 8;
constexpr size_t kFewest = 24;  // columns or rows with changes, to tell a pattern from chance

// Positions, in the scene, of columns (or rows) whose samples differ from those of the one before.
struct Changes {
  std::set<int64_t> columns, rows;
};

template <class T>
void find_changes(const Raster& raster, std::vector<Changes>& bands) {
  const Window& w = raster.window;
  const auto at = [&](int64_t y, int64_t x, size_t b) {
    return raster.data<T>()[(y * w.w + x) * raster.bands + static_cast<int64_t>(b)];
  };
  for (size_t b = 0; b < bands.size(); ++b)
    for (int64_t y = 0; y < w.h; ++y)
      for (int64_t x = 0; x < w.w; ++x) {
        if (x > 0 && at(y, x, b) != at(y, x - 1, b)) bands[b].columns.insert(w.x + x);
        if (y > 0 && at(y, x, b) != at(y - 1, x, b)) bands[b].rows.insert(w.y + y);
      }
}

int64_t step_of(const std::set<int64_t>& positions) {
  if (positions.size() < kFewest) return 1;
  int64_t step = 0;
  for (const int64_t position : positions) step = std::gcd(step, position - *positions.begin());
  return step;
}

// At most kWindowsAlong windows of at most kWindow pixels along a side, evenly spread.
std::vector<std::pair<int64_t, int64_t>> pieces(int64_t length) {
  const int64_t side = std::min(kWindow, length),
                count = std::clamp<int64_t>(length / side, 1, kWindowsAlong);
  std::vector<std::pair<int64_t, int64_t>> list;
  for (int64_t i = 0; i < count; ++i)
    list.emplace_back(count == 1 ? 0 : i * (length - side) / (count - 1), side);
  return list;
}

}  // namespace

std::vector<Repetition> repeated_pixels(TiffReader& reader) {
  const TiffInfo& info = reader.info();
  std::vector<Changes> bands(static_cast<size_t>(info.bands));
  const auto across = pieces(info.width), down = pieces(info.height);
  // Where nothing repeats, a window tells at once: no more are read than are needed.
  const auto open = [&] {
    return std::any_of(bands.begin(), bands.end(), [](const Changes& c) {
      return c.columns.size() < kFewest || c.rows.size() < kFewest || step_of(c.columns) > 1 ||
             step_of(c.rows) > 1;
    });
  };
  for (const auto& [y, h] : down)
    for (const auto& [x, w] : across) {
      if (!open()) break;
      const Raster raster = reader.read({x, y, w, h});
      with_sample_type(raster.type, [&](auto zero) { find_changes<decltype(zero)>(raster, bands); });
    }
  std::vector<Repetition> found;
  for (const Changes& band : bands) {
    const Repetition repetition{step_of(band.columns), step_of(band.rows)};
    // Stripes of one direction alone may be the ground's.
    found.push_back(repetition.across > 1 && repetition.down > 1 ? repetition : Repetition());
  }
  return found;
}

std::string hint_of_repeated_pixels(TiffReader& reader) {
  const std::vector<Repetition> bands = repeated_pixels(reader);
  std::ostringstream text;
  for (size_t b = 0; b < bands.size();) {
    size_t end = b + 1;
    while (end < bands.size() && bands[end] == bands[b]) ++end;
    if (bands[b] != Repetition()) {
      text << (text.str().empty() ? "" : ", ");
      if (bands.size() > 1) text << (end - b > 1 ? "bands " : "band ") << b + 1;
      if (end - b > 1) text << '-' << end;
      text << (bands.size() > 1 ? " " : "") << bands[b].across << " x " << bands[b].down;
    }
    b = end;
  }
  if (text.str().empty()) return "";
  return "every pixel is repeated (" + text.str() +
         "): it is coarser than its pixels say, and the network sharpens the steps between them; better take "
         "one "
         "pixel of each (gdal_translate -r nearest -outsize 50% 50% for 2 x 2)";
}

}  // namespace sr
