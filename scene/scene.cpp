#include "scene/scene.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <memory>

#include "io/counted.h"
#include "io/output_file.h"
#include "io/tiff/tags/gdal_metadata.h"
#include "io/tiff/tags/grid_texts.h"
#include "scene/choose_range.h"
#include "scene/code_bands.h"
#include "scene/job.h"
#include "scene/prepare.h"
#include "scene/repeated_pixels.h"
#include "scene/tile/spread.h"
#include "scene/tile/tile_computer.h"
#include "tensor/allocator.h"
#include "tensor/cuda/device.h"
#include "tensor/error.h"
#include "tensor/on_cuda.h"
#include "tensor/random.h"

namespace sr {
namespace {

// What the file of a result made by that model, or of the bicubic one, says of itself.
TiffInfo described(const PreparedScene& scene, const SceneOptions& options, const Model* by,
                   const std::string& job) {
  TiffInfo result = fine_info(scene);
  const double top = scene.settings.top;
  result.declared_top = std::isfinite(top) ? std::optional(top) : std::nullopt;
  auto items = provenance(options.origin, scene.reader.info(), scene.settings, by, precision_of(scene.gpus));
  items.push_back(job_item(job));
  result.tags.gdal_metadata = with_items(result.tags.gdal_metadata, items);
  return result;
}

// From the scene's fine pixels to the result's, which begin at the region.
Window in_result(const Window& fine, const TileGrid& grid, int factor) {
  const Window region = grid.covered();
  return {fine.x - region.x * factor, fine.y - region.y * factor, fine.w, fine.h};
}

// Random windows computed anew with twice the margin and compared with the file.
void verify(const std::string& path, TiffReader& reader, const Model* model, const SceneSettings& s,
            const TileGrid& grid, int windows, std::optional<int> gpu, const SceneEvents& events) {
  const TiffInfo& info = reader.info();
  const Window region = grid.covered();
  const Reach margin = margin_for(model, s) + margin_for(model, s);
  TiffReader written(path, {.cache_bytes = 0}, SampleReading::codes);
  TileComputer compute(model, s, false, gpu);
  Random random{static_cast<uint64_t>(info.width * 31 + info.height)};
  for (int i = 0; i < windows; ++i) {
    events.progress(0, region.pixels());  // it may want to stop
    const int64_t w = std::min(kVerifySide, region.w), h = std::min(kVerifySide, region.h);
    const int64_t x = region.x + random.integer(region.w - w + 1);
    const Window core{x, region.y + random.integer(region.h - h + 1), w, h};
    const Tile tile = tile_around(core, info.width, info.height, margin);
    const Raster again = compute(reader.read(tile.read), tile).result;
    const Raster stored = written.read(in_result(again.window, grid, s.factor));
    if (std::memcmp(again.samples.data(), stored.samples.data(), again.samples.size()) != 0)
      throw Error(Error::Kind::format, path, ": the window at ", stored.window.x, ", ", stored.window.y,
                  " of ", stored.window.w, " x ", stored.window.h,
                  " pixels differs from the same pixels computed without tiles; the result was removed");
  }
  events.say("verified: " + counted(windows, "window") + " computed again without tiles, every bit the same");
}

void tell(PreparedScene& scene, const SceneEvents& events) {
  const TiffInfo& info = scene.reader.info();
  const SceneSettings& s = scene.settings;
  events.say(description(scene));
  for (const std::string& note : info.notes) events.say(note);
  for (const std::string& note : notes_on_texts(info.tags)) events.say(note);
  if (info.stored_bits < 8 && info.palette.empty() && s.copied_bands.empty())
    events.say("its samples of " + counted(info.stored_bits, "bit") +
               " are scaled to 0..255; --copy_bands keeps those of bands that are no picture");
  if (const std::optional<int> alpha = info.alpha_band())
    events.say("band " + std::to_string(*alpha + 1) + " is taken for alpha" +
               (info.premultiplied() ? ", by which colours were multiplied" : "") +
               (info.asked_alpha ? "" : "; --alpha none makes it picture"));
  if (info.type == SampleType::u32 || info.type == SampleType::i32 || info.type == SampleType::f64)
    events.say(std::string(name_of(info.type)) +
               " samples are computed in float32: 24 bits of the value range are kept");
  const bool told = info.stored_bits < 8 && s.copied_bands.empty();  // what to do about codes
  for (const std::string& hint : {told ? "" : hint_of_codes(scene.reader, s.copied_bands),
                                  scene.model ? hint_of_repeated_pixels(scene.reader) : ""})
    if (!hint.empty()) events.say(hint);
}

// A result whose pixels differ from those computed again does not stay.
void verify_or_remove(PreparedScene& scene, const SceneResults& results, const SceneOptions& options,
                      const SceneEvents& events) {
  try {
    const auto gpu = scene.gpus.empty() ? std::nullopt : std::optional(scene.gpus[0]);
    verify(results.upscaled, scene.reader, scene.model, scene.settings, scene.plan.grid,
           options.verify_windows, gpu, events);
  } catch (...) {
    std::filesystem::remove(results.upscaled);
    if (scene.settings.spread) std::filesystem::remove(results.spread);
    throw;
  }
}

// What the network's results are made of, and what the bicubic one is.
struct Jobs {
  std::string network, bicubic;
};

bool all_made(const SceneResults& results, const Jobs& jobs) {
  const auto made = [](const std::string& result, const std::string& job) {
    return result.empty() || is_made(result, job);
  };
  return made(results.upscaled, jobs.network) && made(results.bicubic, jobs.bicubic) &&
         made(results.spread, jobs.network);
}

// The system, the memory or the user ended the run: nothing is wrong with the scene.
bool can_be_gone_on_with(Error::Kind kind) {
  return kind == Error::Kind::stopped || kind == Error::Kind::io || kind == Error::Kind::device ||
         kind == Error::Kind::limit;
}

// The files of one scene's results.
class Writers {
 public:
  Writers(const PreparedScene& scene, const SceneResults& results, const Jobs& jobs,
          const SceneOptions& options, const SceneEvents& events)
      : scene_(scene), results_(results), jobs_(jobs), options_(options), events_(events) {}

  /// If it throws, what other runs have left of the files that are open already can be kept.
  void open() {
    const TiffWriterOptions& writing = scene_.planning.writing;
    if (scene_.upscaled)
      open(upscaled_, results_.upscaled, described(scene_, options_, scene_.model, jobs_.network), writing,
           jobs_.network);
    if (!results_.bicubic.empty())
      open(bicubic_, results_.bicubic, described(scene_, options_, nullptr, jobs_.bicubic), writing,
           jobs_.bicubic);
    if (!scene_.settings.spread) return;
    TiffInfo spread = spread_info(fine_info(scene_), scene_.settings);
    spread.tags.gdal_metadata = with_items("", {job_item(jobs_.network)});
    open(spread_, results_.spread, spread, spread_writing(writing), jobs_.network);
  }

  bool with_bicubic() const { return bicubic_.has_value(); }

  /// The results that are open.
  std::vector<std::string> made() const {
    std::vector<std::string> list;
    if (upscaled_) list.push_back(results_.upscaled);
    if (bicubic_) list.push_back(results_.bicubic);
    if (spread_) list.push_back(results_.spread);
    return list;
  }

  /// Whether a pixel of the tile is still to come in any of them.
  bool want(const Tile& tile) const {
    const int64_t f = scene_.settings.factor;
    const Window& core = tile.core;
    const Window fine =
        in_result({core.x * f, core.y * f, core.w * f, core.h * f}, scene_.plan.grid, scene_.settings.factor);
    const auto wants = [&](const std::optional<TiffWriter>& writer) { return writer && writer->wants(fine); };
    return wants(upscaled_) || wants(bicubic_) || wants(spread_);
  }

  void write(FineTile& tile) {
    const auto write = [&](std::optional<TiffWriter>& writer, Raster& samples) {
      samples.window = in_result(samples.window, scene_.plan.grid, scene_.settings.factor);
      writer->write(samples);
    };
    if (upscaled_) write(upscaled_, tile.result);
    if (bicubic_) write(bicubic_, *tile.bicubic);
    if (spread_) write(spread_, *tile.spread);
  }

  void finish() {
    for (std::optional<TiffWriter>* writer : {&spread_, &upscaled_, &bicubic_})
      if (*writer) (*writer)->finish();
  }

  /// Leaves what there is for a later run, and says so beside what has happened.
  [[noreturn]] void keep_and_rethrow(const Error& e) {
    std::string kept;
    for (std::optional<TiffWriter>* writer : {&upscaled_, &bicubic_, &spread_})
      if (*writer && (*writer)->keep()) kept += (kept.empty() ? "" : ", ") + (*writer)->kept_in();
    if (kept.empty()) throw Error(e.kind(), e.what());
    throw Error(e.kind(), e.what(), "; what is done stays in ", kept,
                ", and the same command goes on from there");
  }

 private:
  void open(std::optional<TiffWriter>& writer, const std::string& result, const TiffInfo& info,
            TiffWriterOptions writing, const std::string& job) {
    if (options_.keep_made && is_made(result, job)) {  // an earlier run has ended between it and the next one
      TiffWriter::remove_leftovers(result);
      return events_.say(result + " is there, made of the same input, weights and options");
    }
    writing.job = file_job(job, scene_);
    writing.anew = !options_.resume;
    writer.emplace(result, info, writing);
    if (writer->blocks_found() > 0)
      events_.say("goes on with " + writer->kept_in() + ", where " +
                  counted(writer->blocks_found(), "block") +
                  (writer->blocks_found() == 1 ? " is complete" : " are complete"));
  }

  const PreparedScene& scene_;
  const SceneResults& results_;
  const Jobs& jobs_;
  const SceneOptions& options_;
  const SceneEvents& events_;
  std::optional<TiffWriter> upscaled_, bicubic_, spread_;
};

void upscale_into(Writers& writers, PreparedScene& scene, const SceneEvents& events) {
  upscale(scene.model, scene.settings, scene.plan.grid, writers.with_bicubic(),
          {.read = [&](const Window& window) { return scene.reader.read(window); },
           .write = [&](FineTile& tile) { writers.write(tile); },
           .progress = [&](int64_t done) { events.progress(done, scene.region.pixels()); },
           .wanted = [&](const Tile& tile) { return writers.want(tile); }},
          scene.gpus);
  writers.finish();
}

}  // namespace

SceneDone upscale_scene(const std::string& path, const SceneResults& results, const Model* model, int factor,
                        const SceneOptions& options, const SceneEvents& events) {
  reset_pool_peak();  // what other scenes needed is not this one's
  const std::string input = content_of(path);
  const Jobs jobs{job_of(input, false, factor, options), job_of(input, true, factor, options)};
  if (options.keep_made && all_made(results, jobs)) {
    for (const std::string* result : {&results.upscaled, &results.bicubic, &results.spread})
      if (!result->empty()) TiffWriter::remove_leftovers(*result);
    return {.was_there = true};
  }
  PreparedScene scene = prepare_scene(path, results, model, factor, options);
  tell(scene, events);
  const std::string range_source =
      choose_ranges(scene.settings, scene.reader, scene.model, options, scene.plan.grid, events);
  Writers writers(scene, results, jobs, options, events);
  try {
    writers.open();
    upscale_into(writers, scene, events);
  } catch (const Error& e) {
    if (can_be_gone_on_with(e.kind())) writers.keep_and_rethrow(e);
    throw;
  }
  if (const std::string note = scene.reader.decoding_note(); !note.empty()) events.say(note);
  reset_pool_peak();  // what the tiles needed is not for what comes after them
  if (scene.upscaled && options.verify_windows > 0) verify_or_remove(scene, results, options, events);
  return {scene.settings, scene.region, range_source, scene.plan.cache_bytes, writers.made()};
}

}  // namespace sr
