#include "scene/scene_files.h"

#include <cmath>
#include <vector>

#include "io/counted.h"
#include "io/output_file.h"
#include "io/tiff/output/stored_part.h"
#include "io/tiff/output/vrt.h"
#include "io/tiff/tags/gdal_metadata.h"
#include "scene/job.h"
#include "scene/tile/spread.h"

namespace sr {

// What the file of a result made by that model, or of the bicubic one, says of itself.
TiffInfo SceneFiles::described(const Model* by, const std::string& job) const {
  TiffInfo result = fine_info(scene_);
  const double top = scene_.settings.top;
  result.declared_top = std::isfinite(top) ? std::optional(top) : std::nullopt;
  auto items = provenance(options_.origin, scene_.reader.info(), scene_.settings, by, precision_of(options_));
  items.push_back(job_item(job));
  result.tags.gdal_metadata = with_items(result.tags.gdal_metadata, items);
  return result;
}

std::vector<SceneFiles::Result> SceneFiles::wanted() const {
  const TiffWriterOptions& writing = scene_.planning.writing;
  std::vector<Result> list;
  if (scene_.upscaled)
    list.push_back({&SceneFiles::upscaled_, results_.upscaled, described(scene_.model, jobs_.network),
                    writing, &SceneJobs::network});
  if (!results_.bicubic.empty())
    list.push_back({&SceneFiles::bicubic_, results_.bicubic, described(nullptr, jobs_.bicubic), writing,
                    &SceneJobs::bicubic});
  if (!scene_.settings.spread) return list;
  TiffInfo spread = spread_info(fine_info(scene_), scene_.settings);
  spread.tags.gdal_metadata = with_items("", {job_item(jobs_.network)});
  list.push_back(
      {&SceneFiles::spread_, results_.spread, spread, spread_writing(writing), &SceneJobs::network});
  return list;
}

void SceneFiles::open(const SceneJobs& files) {
  for (const Result& result : wanted()) open(result, files);
}

void SceneFiles::open(const Result& result, const SceneJobs& files) {
  if (options_.keep_made && is_made(result.name, jobs_.*result.job)) {
    // An earlier run may have ended between it and the next one. A part's journal is of use.
    if (!options_.part) TiffWriter::remove_leftovers(result.name);
    return events_.say(result.name + " is there, made of the same input, weights and options");
  }
  TiffWriterOptions writing = result.writing;
  writing.job = files.*result.job;
  writing.anew = !options_.resume;
  TiffWriter& writer = (this->*result.writer).emplace(result.name, result.info, writing);
  if (writer.blocks_found() > 0)
    events_.say("goes on with " + writer.kept_in() + ", where " + counted(writer.blocks_found(), "block") +
                (writer.blocks_found() == 1 ? " is complete" : " are complete"));
}

std::vector<std::string> SceneFiles::made() const {
  std::vector<std::string> list;
  for (const auto* writer : {&upscaled_, &bicubic_, &spread_})
    if (*writer) list.push_back((*writer)->path());
  return list;
}

bool SceneFiles::want(const Tile& tile) const {
  const int64_t f = scene_.settings.factor;
  const Window& core = tile.core;
  const Window fine =
      in_result({core.x * f, core.y * f, core.w * f, core.h * f}, scene_.region, scene_.settings.factor);
  const auto wants = [&](const std::optional<TiffWriter>& writer) { return writer && writer->wants(fine); };
  return wants(upscaled_) || wants(bicubic_) || wants(spread_);
}

void SceneFiles::write(FineTile& tile) {
  const auto write = [&](std::optional<TiffWriter>& writer, Raster& samples) {
    samples.window = in_result(samples.window, scene_.region, scene_.settings.factor);
    writer->write(samples);
  };
  if (upscaled_) write(upscaled_, tile.result);
  if (bicubic_) write(bicubic_, *tile.bicubic);
  if (spread_) write(spread_, *tile.spread);
}

void SceneFiles::take_over(std::span<const PartOfScene> parts, std::span<const int64_t> order,
                           const SceneJobs& files) {
  for (const Result& result : wanted()) {
    std::optional<TiffWriter>& writer = this->*result.writer;
    if (!writer) continue;
    std::vector<StoredPart> stored;
    for (const PartOfScene& part : parts)
      stored.emplace_back(part.name_of(result.name), result.writing.cog, files.*result.job);
    writer->take_over(stored, order);
  }
}

void SceneFiles::finish_sparse() {
  for (std::optional<TiffWriter>* writer : {&spread_, &upscaled_, &bicubic_})
    if (*writer) (*writer)->finish_sparse();
}

void SceneFiles::write_vrts(std::span<const PartOfScene> parts) const {
  const int64_t factor = scene_.settings.factor;
  for (const Result& result : wanted()) {
    std::vector<VrtPart> rows;
    for (const PartOfScene& part : parts)
      rows.push_back({part.name_of(result.name), part.rows.first * factor, part.rows.count() * factor});
    const std::string name = vrt_name(result.name);
    write_file(name, vrt_of(result.info, result.writing.block, rows));
    events_.say("wrote " + name);
  }
}

void SceneFiles::finish() {
  for (std::optional<TiffWriter>* writer : {&spread_, &upscaled_, &bicubic_})
    if (*writer) (*writer)->finish();
}

std::string SceneFiles::keep() {
  std::string kept;
  for (std::optional<TiffWriter>* writer : {&upscaled_, &bicubic_, &spread_})
    if (*writer && (*writer)->keep()) kept += (kept.empty() ? "" : ", ") + (*writer)->kept_in();
  return kept;
}

}  // namespace sr
