#include "scene/job.h"

#include <cstdio>
#include <filesystem>
#include <span>

#include "io/crc32c.h"
#include "io/json_text.h"
#include "io/output_file.h"
#include "io/tiff/input/alpha_band.h"
#include "io/tiff/tags/gdal_metadata.h"
#include "tensor/bands/kernels.h"
#include "tensor/cuda/device.h"
#include "tensor/on_cuda.h"
#include "tensor/stop.h"

namespace sr {
namespace {

using Json = nlohmann::ordered_json;

std::string hex(uint32_t value) {
  char text[16];
  std::snprintf(text, sizeof text, "%08x", value);
  return text;
}

uint32_t checksum_of(const std::string& path, uint64_t bytes) {
  constexpr uint64_t kPiece = 4 << 20;
  uint32_t crc = 0;
  for (uint64_t at = 0; at < bytes; at += kPiece) {
    throw_if_stopping();
    const std::string piece = read_file_part(path, at, kPiece);
    crc = crc32c(std::as_bytes(std::span(piece)), crc);
  }
  return crc;
}

// Of the tags that files beside the scene have a part in. 0: it cannot be opened, of which who enlarges it
// tells why.
uint32_t checksum_of_tags(const std::string& path) {
  try {
    const TiffReader reader(path, {.block_bytes = int64_t{1} << 40, .cache_bytes = 0});
    const SceneTags& t = reader.info().tags;
    uint32_t crc = t.pixel_is_point ? 1 : 0;
    const auto add = [&](const auto& values) { crc = crc32c(std::as_bytes(std::span(values)), crc); };
    for (const auto* numbers :
         {&t.pixel_scale, &t.tiepoints, &t.transformation, &t.geo_double_params, &t.rpc})
      add(*numbers);
    add(t.geo_key_directory);
    for (const auto* text : {&t.geo_ascii_params, &t.gdal_metadata, &t.gdal_nodata}) add(*text);
    return crc;
  } catch (const Error& e) {
    if (e.kind() == Error::Kind::stopped) throw;
    return 0;
  }
}

Json region_of(const Region& region) {
  if (const auto& w = region.pixels) return {w->x, w->y, w->w, w->h};
  if (const auto& g = region.ground) return {{"ground", {g->min_x, g->min_y, g->max_x, g->max_y}}};
  return nullptr;
}

// A field for each option, named as that is: what differs is told to people by these.
void add_storage(Json& job, const TiffWriterOptions& w) {
  job["compress"] = name_of(w.compression);
  job["level"] = level_of(w);
  job["quality"] = w.quality;
  job["max_z_error"] = w.max_z_error;
  job["cog"] = w.cog;
  job["interleave"] = w.by_band ? "band" : "pixel";
  job["predictor"] = w.predictor;
}

const char* name_of(const std::optional<PaletteUse>& palette) {
  return !palette ? "auto" : *palette == PaletteUse::rgb ? "rgb" : "copy";
}

// As --alpha has it: bands from 1.
Json alpha_of(const std::optional<int>& band) {
  if (!band) return nullptr;
  return *band == kNoAlpha ? Json("none") : Json(*band + 1);
}

}  // namespace

std::string precision_of([[maybe_unused]] const std::vector<int>& gpus) {
  if constexpr (cuda::kBuilt)
    if (!gpus.empty()) return cuda::name_of(cuda::precision());
  return bands::name_of(bands::precision());
}

std::string precision_of(const SceneOptions& options) {
  return options.precision.empty() ? precision_of(options.gpus) : options.precision;
}

std::string kernels_of(const std::vector<int>& gpus) {
  if (!gpus.empty()) return "cuda";
  const bands::Kernels& k = bands::kernels(bands::precision());
  return k.revision == 1 ? k.name : k.name + ("-" + std::to_string(k.revision));
}

std::string content_of(const std::string& path) {
  const uint64_t bytes = file_bytes(path);
  std::string text = std::to_string(bytes) + " bytes, crc32c " + hex(checksum_of(path, bytes));
  const std::string mask = path + ".msk";
  if (std::error_code none; std::filesystem::is_regular_file(mask, none))
    text += ", of its mask " + hex(checksum_of(mask, file_bytes(mask)));
  return text + ", of its georeference, RPC and nodata " + hex(checksum_of_tags(path));
}

std::string job_of(const std::string& input, bool bicubic, int factor, const SceneOptions& options) {
  Json job;
  job["software"] = options.origin.software;
  job["input"] = input;
  job["factor"] = factor;
  job["roi"] = region_of(options.region);
  job["copy_bands"] = options.copy_bands;
  job["palette"] = name_of(options.palette);
  job["alpha"] = alpha_of(options.alpha);
  job["value_range"] = options.measure_range ? Json("scene") : Json(numbers_of(options.value_ranges));
  add_storage(job, options.writing);
  if (!bicubic) {
    job["weights"] = options.origin.weights;
    job["mean_values"] = options.origin.mean_values;
    job["colour_mode"] = options.mode ? name_of(*options.mode) : "auto";
    job["self_ensemble"] = options.self_ensemble;
    job["precision"] = precision_of(options);
  }
  return job.dump();
}

SceneJobs jobs_of(const std::string& path, int factor, const SceneOptions& options) {
  const std::string input = content_of(path);
  return {job_of(input, false, factor, options), job_of(input, true, factor, options)};
}

std::pair<std::string, std::string> job_item(const std::string& job) {
  return {"SUPERRES_JOB", hex(crc32c(std::as_bytes(std::span(job))))};
}

bool is_made(const std::string& result, const std::string& job) {
  if (std::error_code error; !std::filesystem::exists(result, error)) return false;
  const auto [name, text] = job_item(job);
  try {
    const TiffReader reader(result, {.cache_bytes = 0});
    for (const MetadataItem& item : metadata_items(reader.info().tags.gdal_metadata))
      if (item.name == name && item.domain.empty()) return item.text == text;
  } catch (const Error&) {  // another file, or a damaged one: it is made anew
  }
  return false;
}

bool is_made(const SceneResults& results, const SceneJobs& jobs) {
  const auto made = [](const std::string& result, const std::string& job) {
    return result.empty() || is_made(result, job);
  };
  return made(results.upscaled, jobs.network) && made(results.bicubic, jobs.bicubic) &&
         made(results.spread, jobs.network);
}

std::string part_job(const std::string& job, const PreparedScene& scene) {
  Json part = Json::parse(job);
  part["kernels"] = kernels_of(scene.gpus);
  return part.dump();
}

std::string file_job(const std::string& job, const PreparedScene& scene) {
  Json file = Json::parse(part_job(job, scene));
  file["tiles"] = {scene.plan.grid.tile_width, scene.plan.grid.tile_height};
  return file.dump();
}

}  // namespace sr
