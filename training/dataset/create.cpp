#include "training/dataset/create.h"

#include <algorithm>
#include <exception>
#include <filesystem>
#include <map>
#include <memory>
#include <sstream>

#include "io/counted.h"
#include "io/formats/picture.h"
#include "io/formats/records.h"
#include "io/json_text.h"
#include "tensor/error.h"
#include "training/dataset/dataset.h"
#include "training/dataset/folder.h"
#include "training/dataset/scan.h"

namespace sr {
namespace {

namespace fs = std::filesystem;

constexpr size_t kFilesAtOnce = 200;               // open for writing
constexpr int64_t kPixelsAtOnce = 16 * 400 * 400;  // of tiles in memory

std::string options_text(const DatasetOptions& o, const DatasetScan& scan) {
  return nlohmann::ordered_json{{"tile_size", {o.tile_w, o.tile_h}},
                                {"num_data_per_file", o.num_data_per_file},
                                {"shuffle", o.shuffle},
                                {"seed", o.seed},
                                {"min_std", o.min_std},
                                {"split_by_scene", o.split_by_scene},
                                {"scales", o.scales},
                                {"symmetries", o.symmetries ? kSymmetries : 1},
                                {"value_range", scan.range_origin}}
      .dump();
}

std::string note_of(const PlannedTile& tile, int symmetry, const std::string& image) {
  std::ostringstream text;
  text << image.substr(0, 1024) << ' ' << tile.window.x << ',' << tile.window.y << ' ' << tile.window.w << 'x'
       << tile.window.h;
  if (tile.scaled) text << " to " << tile.width << 'x' << tile.height;
  if (symmetry != 0) text << " symmetry " << symmetry;
  return text.str();
}

TileRecord record_of(const TrainingSource::Samples& samples, const PlannedTile& tile, int symmetry,
                     const std::vector<int>& bands, const TileForm& form) {
  Raster gt = stored_samples(samples.gt, bands, form);
  if (tile.scaled) gt = resized(gt, tile.width, tile.height, form.ranges);
  gt = turned(gt, symmetry);
  if (!samples.down) return degraded(std::move(gt), form);
  return paired(std::move(gt), turned(stored_samples(*samples.down, bands, form), symmetry), form);
}

/// Sums over the training tiles, one per channel of the network.
class MeanMeter {
 public:
  MeanMeter(int nchan, const ValueRanges& ranges) : ranges_(ranges) {
    for (Sum& sum : parts_) sum.values.assign(static_cast<size_t>(nchan), 0.0);
  }

  void add(const TileRecord& record) {
    for (size_t p = 0; p < 3; ++p) add(record.*kRecordParts[p], parts_[p]);
  }

  MeanValues means() const { return {mean(parts_[0]), mean(parts_[1]), mean(parts_[2])}; }

 private:
  struct Sum {
    std::vector<double> values;
    int64_t count = 0;  // samples in each
  };

  void add(const Raster& raster, Sum& sum) const {
    const auto channels = static_cast<int64_t>(sum.values.size());
    const int64_t pixels = raster.window.pixels();
    std::vector<double> tile(static_cast<size_t>(raster.bands), 0.0);
    with_sample_type(raster.type, [&](auto zero) {
      const auto* values = raster.data<decltype(zero)>();
      for (int64_t p = 0; p < pixels; ++p)
        for (size_t b = 0; b < tile.size(); ++b)
          tile[b] += static_cast<double>(*values++) - range_of(ranges_, static_cast<int64_t>(b)).low;
    });
    for (int64_t b = 0; b < raster.bands; ++b)
      sum.values[static_cast<size_t>(b % channels)] +=
          tile[static_cast<size_t>(b)] / range_of(ranges_, b).width();
    sum.count += pixels * raster.bands / channels;
  }

  static std::vector<double> mean(const Sum& sum) {
    std::vector<double> means = sum.values;
    for (double& m : means) m /= static_cast<double>(sum.count);
    return means;
  }

  ValueRanges ranges_;
  Sum parts_[3];
};

/// A record file to be made.
struct FilePlan {
  std::string name;
  std::vector<SplitItem> items;
};

std::vector<FilePlan> plan_files(const Split& split, int64_t per_file) {
  std::vector<FilePlan> files;
  for (size_t begin = 0; begin < split.training.size(); begin += static_cast<size_t>(per_file)) {
    const auto first = split.training.begin() + static_cast<int64_t>(begin);
    const auto left = static_cast<int64_t>(split.training.size() - begin);
    files.push_back({"Training/" + record_file_name(static_cast<int64_t>(files.size())),
                     {first, first + std::min(per_file, left)}});
  }
  files.push_back({"Validation/" + record_file_name(0), split.validation});
  return files;
}

/// Cuts the tiles out of the images and writes the record files.
class Writer {
 public:
  Writer(const std::string& folder, const DatasetOptions& options, const DatasetScan& scan,
         const DatasetEvents& events)
      : folder_(folder),
        o_(options),
        scan_(scan),
        events_(events),
        means_(scan.form.mode == ColourMode::joint ? scan.form.bands : 1, scan.form.ranges),
        sources_(scan.accounts) {}

  Manifest write(const Split& split) {
    const std::vector<FilePlan> files = plan_files(split, o_.num_data_per_file);
    all_ = scan_.pixels;
    for (const FilePlan& file : files)
      for (const SplitItem& item : file.items) all_ += tile(item.tile).window.pixels();
    done_ = scan_.pixels;
    for (const int64_t t : split.left_out) ++sources_[static_cast<size_t>(tile(t).source)].left_out;
    Manifest manifest;
    for (size_t begin = 0; begin < files.size(); begin += kFilesAtOnce)
      write_files({files.data() + begin, std::min(kFilesAtOnce, files.size() - begin)}, manifest.files);
    manifest.info = info(split);
    manifest.origin = o_.origin;
    manifest.options = options_text(o_, scan_);
    manifest.sources = sources_;
    return manifest;
  }

 private:
  const PlannedTile& tile(int64_t number) const { return scan_.tiles[static_cast<size_t>(number)]; }

  struct OpenFile {
    RecordWriter writer;
    ManifestFile entry;
    bool training;
  };

  // A record to be made of samples that were read, and the file it goes to.
  struct Job {
    std::shared_ptr<const TrainingSource::Samples> samples;
    int64_t tile;
    int symmetry;
    size_t file;
    TileRecord record;
  };

  // All images are gone through once for so many files: each tile goes to the files that want it.
  void write_files(std::span<const FilePlan> plans, std::vector<ManifestFile>& entries) {
    std::vector<OpenFile> files;
    std::map<int64_t, std::vector<std::pair<size_t, int>>> wanted;  // by tile: files and symmetries
    for (const FilePlan& plan : plans) {
      for (const SplitItem& item : plan.items) wanted[item.tile].emplace_back(files.size(), item.symmetry);
      files.push_back({RecordWriter((fs::path(folder_) / plan.name).string(), meta_text()),
                       {.name = plan.name, .tiles = {}},
                       plan.name.starts_with("Training/")});
    }
    std::unique_ptr<TrainingSource> source;
    int32_t open = -1;
    std::vector<Job> jobs;
    int64_t pixels = 0;
    for (const auto& [number, places] : wanted) {
      if (tile(number).source != open) {
        open = tile(number).source;
        const ScannedImage& image = scan_.images[static_cast<size_t>(open)];
        source.reset();  // two at once would need twice the memory
        source = std::make_unique<TrainingSource>(image.path, image.pair, o_.factor);
      }
      const auto samples = std::make_shared<const TrainingSource::Samples>(source->read(tile(number).window));
      for (const auto& [file, symmetry] : places) {
        jobs.push_back({samples, number, symmetry, file, {}});
        pixels += tile(number).window.pixels();
        if (pixels >= kPixelsAtOnce) do_jobs(jobs, files), pixels = 0;
      }
    }
    do_jobs(jobs, files);
    for (OpenFile& file : files) entries.push_back(finished(file));
  }

  // Records are made side by side and written one after the other, in the order of the jobs.
  void do_jobs(std::vector<Job>& jobs, std::vector<OpenFile>& files) {
    std::exception_ptr failure;
#pragma omp parallel for schedule(dynamic, 1)
    for (size_t i = 0; i < jobs.size(); ++i) {
      try {
        const PlannedTile& t = tile(jobs[i].tile);
        const auto& bands = scan_.images[static_cast<size_t>(t.source)].bands;
        jobs[i].record = record_of(*jobs[i].samples, t, jobs[i].symmetry, bands, scan_.form);
      } catch (...) {
#pragma omp critical
        failure = std::current_exception();
      }
    }
    if (failure) std::rethrow_exception(failure);
    for (Job& job : jobs) write(job, files[job.file]);
    jobs.clear();
  }

  void write(Job& job, OpenFile& file) {
    const PlannedTile& t = tile(job.tile);
    ManifestSource& account = sources_[static_cast<size_t>(t.source)];
    job.record.note = note_of(t, job.symmetry, account.name);
    file.writer.add(job.record);
    file.entry.tiles.push_back({t.source, t.window, t.width, t.height, job.symmetry});
    ++account.tiles;
    if (file.training) means_.add(job.record);
    if (pictures_ < o_.debug_pictures)
      write_png((fs::path(folder_) / "Debug" / picture_file_name(pictures_++)).string(),
                record_picture(job.record, scan_.form.ranges));
    events_.progress(done_ += t.window.pixels(), all_);
  }

  // The file's own index tells what the manifest says of it.
  ManifestFile finished(OpenFile& file) {
    file.writer.finish();
    const RecordReader reader((fs::path(folder_) / file.entry.name).string());
    file.entry.records = reader.size();
    file.entry.bytes = reader.bytes();
    file.entry.crc32c = reader.checksum();
    return file.entry;
  }

  std::string meta_text() const {
    return nlohmann::ordered_json{
        {"format", "superres training tiles"}, {"origin", o_.origin}, {"factor", o_.factor}}
        .dump();
  }

  DatasetInfo info(const Split& split) const {
    const TileForm& form = scan_.form;
    DatasetInfo info;
    info.factor = form.factor;
    info.nchan = form.mode == ColourMode::joint ? form.bands : 1;
    info.bands = form.bands;
    info.type = form.type;
    info.unrounded = form.unrounded;
    info.pairs = !o_.pair_path.empty();
    info.mode = form.mode;
    info.luma = form.luma;
    info.ranges = form.ranges;
    info.means = means_.means();
    info.tile_w = o_.tile_w;
    info.tile_h = o_.tile_h;
    info.training_tiles = static_cast<int64_t>(split.training.size());
    info.validation_tiles = static_cast<int64_t>(split.validation.size());
    return info;
  }

  const std::string folder_;
  const DatasetOptions& o_;
  const DatasetScan& scan_;
  const DatasetEvents& events_;
  MeanMeter means_;
  std::vector<ManifestSource> sources_;
  int64_t done_ = 0, all_ = 0;  // pixels
  int64_t pictures_ = 0;
};

// Before the tiles are divided: if there are too few, this says why.
void tell(const DatasetScan& scan, const DatasetEvents& events) {
  events.say("value range " + text_of(scan.form.ranges, {}, kMostTold) + " (" + scan.range_origin + ")");
  int64_t no_data = 0, flat = 0;
  for (const ManifestSource& s : scan.accounts) no_data += s.no_data, flat += s.flat;
  if (no_data > 0)
    events.say("left out " + counted(no_data, "tile") +
               " with samples that are no picture (no-data of any band counts)");
  if (flat > 0) events.say("left out " + counted(flat, "tile") + " without detail (--min_std)");
}

}  // namespace

Manifest create_dataset(const std::vector<std::string>& images, const std::string& folder,
                        const DatasetOptions& options, const DatasetEvents& events) {
  check_dataset_folder(folder);
  const DatasetScan scan = scan_images(images, options, events);
  tell(scan, events);
  const Split split = split_tiles(scan.tiles, {.num_data_per_file = options.num_data_per_file,
                                               .shuffle = options.shuffle,
                                               .seed = options.seed,
                                               .split_by_scene = options.split_by_scene,
                                               .symmetries = options.symmetries ? kSymmetries : 1});
  if (!split.left_out.empty())
    events.say("left out " + counted(static_cast<int64_t>(split.left_out.size()), "tile") +
               " whose ground is kept for validation");
  make_dataset_folder(folder, options.debug_pictures > 0);
  try {
    Manifest manifest = Writer(folder, options, scan, events).write(split);
    save_mean_values((fs::path(folder) / "mean_values.json").string(), manifest.info.means);
    save_manifest((fs::path(folder) / "manifest.json").string(), manifest);
    return manifest;
  } catch (...) {
    try {
      clear_dataset_folder(folder);
    } catch (const Error&) {  // the first error says more
    }
    throw;
  }
}

}  // namespace sr
