#include "scene/scene.h"

#include <filesystem>

#include "io/counted.h"
#include "io/tiff/tags/grid_texts.h"
#include "scene/choose_range.h"
#include "scene/code_bands.h"
#include "scene/job.h"
#include "scene/prepare.h"
#include "scene/repeated_pixels.h"
#include "scene/scene_files.h"
#include "scene/verify.h"
#include "tensor/allocator.h"
#include "tensor/error.h"

namespace sr {
namespace {

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

// The system, the memory or the user ended the run: nothing is wrong with the scene.
bool can_be_gone_on_with(Error::Kind kind) {
  return kind == Error::Kind::stopped || kind == Error::Kind::io || kind == Error::Kind::device ||
         kind == Error::Kind::limit;
}

// Leaves what there is for a later run, and says so beside what has happened.
[[noreturn]] void keep_and_rethrow(SceneFiles& files, const Error& e) {
  const std::string kept = files.keep();
  if (kept.empty()) throw Error(e.kind(), e.what());
  throw Error(e.kind(), e.what(), "; what is done stays in ", kept,
              ", and the same command goes on from there");
}

// The tiles of the part, in which a shared scene is cut anew: any tiles give the same bits.
TileGrid tiles_of(const PreparedScene& scene, const std::optional<PartOfScene>& part) {
  TileGrid grid = scene.plan.grid;
  if (part) grid.region = part_of(scene.region, part->rows);
  return grid;
}

void upscale_into(SceneFiles& files, PreparedScene& scene, const SceneOptions& options,
                  const SceneEvents& events) {
  const TileGrid grid = tiles_of(scene, options.part);
  upscale(scene.model, scene.settings, grid, files.with_bicubic(),
          {.read = [&](const Window& window) { return scene.reader.read(window); },
           .write = [&](FineTile& tile) { files.write(tile); },
           .progress = [&](int64_t done) { events.progress(done, grid.covered().pixels()); },
           .wanted = [&](const Tile& tile) { return files.want(tile); }},
          scene.gpus);
  if (options.part)
    files.keep();
  else
    files.finish();
}

}  // namespace

std::string PartOfScene::name_of(const std::string& result) const {
  if (result.empty()) return "";
  std::filesystem::path path(result);
  const std::string file = path.stem().string() + "." + name + path.extension().string();
  return path.replace_filename(file).string();
}

SceneResults PartOfScene::names_of(const SceneResults& results) const {
  return {name_of(results.upscaled), name_of(results.bicubic), name_of(results.spread)};
}

SceneDone upscale_scene(const std::string& path, const SceneResults& results, const Model* model, int factor,
                        const SceneOptions& options, const SceneEvents& events) {
  reset_pool_peak();  // what other scenes needed is not this one's
  const SceneJobs jobs = jobs_of(path, factor, options);
  if (options.keep_made && is_made(results, jobs)) {
    for (const std::string* result : {&results.upscaled, &results.bicubic, &results.spread})
      if (!result->empty()) TiffWriter::remove_leftovers(*result);
    return {.jobs = jobs, .was_there = true};
  }
  PreparedScene scene = prepare_scene(path, results, model, factor, options);
  tell(scene, events);
  const std::string range_source =
      choose_ranges(scene.settings, scene.reader, scene.model, options, scene.plan.grid, events);
  const SceneResults names = options.part ? options.part->names_of(results) : results;
  // In a part the order of blocks is nobody's concern.
  const SceneJobs parts{part_job(jobs.network, scene), part_job(jobs.bicubic, scene)};
  const SceneJobs lines{file_job(jobs.network, scene), file_job(jobs.bicubic, scene)};
  SceneFiles files(scene, names, jobs, options, events);
  try {
    files.open(options.part ? parts : lines);
    upscale_into(files, scene, options, events);
  } catch (const Error& e) {
    if (can_be_gone_on_with(e.kind())) keep_and_rethrow(files, e);
    throw;
  }
  if (const std::string note = scene.reader.decoding_note(); !note.empty()) events.say(note);
  reset_pool_peak();  // what the tiles needed is not for what comes after them
  if (scene.upscaled && options.verify_windows > 0 && !options.part)
    verify_or_remove(scene, results, options.verify_windows, events);
  return {scene.settings,
          scene.region,
          range_source,
          scene.plan.cache_bytes,
          files.made(),
          jobs,
          parts,
          scene.plan.grid.tile_width,
          scene.plan.grid.tile_height};
}

}  // namespace sr
