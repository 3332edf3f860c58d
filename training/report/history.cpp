#include "training/report/history.h"

#include <cmath>
#include <filesystem>
#include <limits>
#include <string_view>

#include "io/json_text.h"

namespace sr {
namespace {

using nlohmann::ordered_json;

constexpr size_t kMaxFileBytes = size_t{256} << 20;
constexpr size_t kMaxLineBytes = 4096;  // a line takes some 300; bounds what a hostile one needs to be parsed
constexpr std::string_view kLineStart = "{\"step\":";

/// The optional figures and their names, in the order of the line.
constexpr std::pair<const char*, std::optional<double> HistoryPoint::*> kMeasures[] = {
    {"validation_loss", &HistoryPoint::validation_loss},
    {"psnr", &HistoryPoint::psnr},
    {"ssim", &HistoryPoint::ssim},
    {"bicubic_psnr", &HistoryPoint::bicubic_psnr},
    {"bicubic_ssim", &HistoryPoint::bicubic_ssim},
    {"spectral_angle", &HistoryPoint::spectral_angle},
    {"bicubic_spectral_angle", &HistoryPoint::bicubic_spectral_angle},
};
constexpr std::pair<const char*, double HistoryPoint::*> kFigures[] = {
    {"seconds", &HistoryPoint::seconds},
    {"learning_rate", &HistoryPoint::learning_rate},
    {"train_loss", &HistoryPoint::train_loss},
    {"pixels_per_second", &HistoryPoint::pixels_per_second},
};

std::string line_of(const HistoryPoint& point) {
  ordered_json line{{"step", point.step}, {"epoch", point.epoch}};
  for (const auto& [name, member] : kFigures) line[name] = point.*member;  // not finite: null
  for (const auto& [name, member] : kMeasures)
    if (point.*member) line[name] = *(point.*member);
  return line.dump() + "\n";
}

/// None if the text is not a point.
std::optional<HistoryPoint> point_of(std::string_view line) {
  if (line.size() > kMaxLineBytes) return std::nullopt;
  const ordered_json object = ordered_json::parse(line, nullptr, false);
  if (!object.is_object()) return std::nullopt;
  const auto whole = [&](const char* name) {
    const auto found = object.find(name);
    return found != object.end() && found->is_number_integer() ? found->get<int64_t>() : int64_t{-1};
  };
  // A number, NaN for null; false if it is something else.
  const auto read = [](const ordered_json& value, auto& to) {
    if (!value.is_number() && !value.is_null()) return false;
    to = value.is_null() ? std::numeric_limits<double>::quiet_NaN() : value.get<double>();
    return true;
  };
  HistoryPoint point;
  point.step = whole("step");
  point.epoch = whole("epoch");
  if (point.step < 0 || point.epoch < 0) return std::nullopt;
  for (const auto& [name, member] : kFigures)
    if (!object.contains(name) || !read(object[name], point.*member)) return std::nullopt;
  for (const auto& [name, member] : kMeasures)
    if (object.contains(name) && !read(object[name], point.*member)) return std::nullopt;
  return point;
}

/// A run that is killed or loses power leaves at most its last line damaged; that of another kind of file is
/// not ours to drop.
bool may_be_dropped(std::string_view line, bool last, bool first) {
  const size_t length = std::min(line.size(), kLineStart.size());
  return last && (!first || line.substr(0, length) == kLineStart.substr(0, length));
}

std::vector<HistoryPoint> points_in(std::string_view text, const std::string& path) {
  std::vector<HistoryPoint> points;
  for (size_t number = 1; !text.empty(); ++number) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (const auto point = point_of(line)) {
      points.push_back(*point);
    } else if (!may_be_dropped(line, text.empty(), number == 1)) {
      throw Error(Error::Kind::format, "reading the run's history ", path, ": line ", number,
                  " is no point of a training run; the file is damaged or another program's, move it away");
    }
  }
  return points;
}

/// The points up to `last_step`; the file is rewritten if it holds anything else.
std::vector<HistoryPoint> restored(const std::string& path, int64_t last_step) {
  if (!std::filesystem::exists(path)) return {};
  const std::string text = read_file(path, kMaxFileBytes);
  std::vector<HistoryPoint> points = points_in(text, path);
  std::erase_if(points, [&](const HistoryPoint& point) { return point.step > last_step; });
  std::string kept;
  for (const HistoryPoint& point : points) kept += line_of(point);
  if (kept != text) write_file(path, kept);
  return points;
}

}  // namespace

TrainingHistory::TrainingHistory(const std::string& path, int64_t last_step)
    : points_(restored(path, last_step)), file_(path) {}

void TrainingHistory::add(const HistoryPoint& point) {
  file_.append(line_of(point));
  file_.sync();
  points_.push_back(point);
}

}  // namespace sr
