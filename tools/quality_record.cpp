#include "tools/quality_record.h"

#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <limits>
#include <span>

#include "io/crc32c.h"
#include "io/json_text.h"
#include "io/output_file.h"
#include "scene/quality.h"

namespace sr {
namespace {

using nlohmann::ordered_json;

constexpr const char* kMeaning =
    "rmse (in sample units) and psnr (dB on the value range): the result shrunk to the scene's pixels by "
    "antialiased bicubic interpolation, against the scene, without pixels within 2 of no data; clipped: "
    "share "
    "of samples at the type's lowest or highest value; out_of_range: share outside the value range";

int64_t peak_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return int64_t{usage.ru_maxrss} * 1024;
}

std::string checksum(const std::string& path) {
  constexpr size_t kPiece = size_t{1} << 22;
  uint32_t crc = 0;
  const uint64_t size = file_bytes(path);
  for (uint64_t at = 0; at < size; at += kPiece) {
    const std::string piece = read_file_part(path, at, kPiece);
    crc = crc32c(std::as_bytes(std::span(piece)), crc);
  }
  char text[16];
  std::snprintf(text, sizeof text, "%08x", crc);
  return text;
}

ordered_json to_json(const BandSamples& s) {
  if (s.count == 0) return nullptr;
  return {{"samples", s.count},   {"mean", s.mean},       {"deviation", s.deviation},      {"least", s.least},
          {"largest", s.largest}, {"clipped", s.clipped}, {"out_of_range", s.out_of_range}};
}

// JSON has no infinity: the PSNR of what does not differ is null, and so is all of a band without samples.
ordered_json to_json(const BandQuality& q) {
  const bool any = q.compared > 0;
  return {{"band", q.band},
          {"compared_pixels", q.compared},
          {"rmse", any ? ordered_json(q.rmse) : nullptr},
          {"psnr", any ? ordered_json(q.psnr) : nullptr},
          {"mean_shift", q.scene.count ? ordered_json(q.result.mean - q.scene.mean) : nullptr},
          {"deviation_shift", q.scene.count ? ordered_json(q.result.deviation - q.scene.deviation) : nullptr},
          {"scene", to_json(q.scene)},
          {"result", to_json(q.result)}};
}

}  // namespace

std::string write_quality_record(const std::string& path, const ResultOrigin& origin, const Model& model,
                                 const SceneDone& done) {
  const std::vector<BandQuality> bands =
      measure_quality(origin.scene, origin.result, done.settings, done.region, done.cache_bytes);
  const Window& region = done.region;
  ordered_json json{{"scene", origin.scene}, {"result", origin.result}, {"meaning", kMeaning}};
  json["bands"] = ordered_json::array();
  double worst = std::numeric_limits<double>::infinity();
  for (const BandQuality& band : bands) {
    json["bands"].push_back(to_json(band));
    worst = std::min(worst, band.psnr);
  }
  json["value_range"] = ordered_json::array();
  for (const ValueRange& range : done.settings.colour_ranges())
    json["value_range"].push_back({range.low, range.high});
  json["value_range_source"] = done.range_source.empty() ? "of the sample type" : done.range_source;
  json["factor"] = done.settings.factor;
  json["colour_mode"] = name_of(done.settings.mode);
  json["region"] = {region.x, region.y, region.w, region.h};
  json["weights"] = {
      {"path", origin.checkpoint}, {"crc32c", checksum(origin.checkpoint)}, {"origin", model.origin}};
  json["device"] = origin.device;
  json["seconds"] = origin.seconds;
  json["peak_memory_bytes"] = peak_bytes();
  json["arguments"] = origin.arguments;
  json["version"] = SR_VERSION;
  write_file(path, json.dump(1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
  char text[64];
  std::snprintf(text, sizeof text, " (shrunk again: %.2f dB%s)", worst, bands.size() > 1 ? " or more" : "");
  return "wrote " + path + text;
}

}  // namespace sr
