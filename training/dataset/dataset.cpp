#include "training/dataset/dataset.h"

#include <filesystem>

#include "scene/tile/tile.h"
#include "tensor/error.h"

namespace sr {
namespace {

namespace fs = std::filesystem;

std::string folder_of(const std::string& data_path, int factor) {
  const fs::path folder = fs::path(data_path) / ("x" + std::to_string(factor));
  std::error_code ignored;
  if (fs::is_directory(folder, ignored)) return folder.string();
  std::string others;
  for (int f = 2; f <= 4; ++f)
    if (fs::is_directory(fs::path(data_path) / ("x" + std::to_string(f)), ignored))
      others += " x" + std::to_string(f);
  throw Error(Error::Kind::io, folder.string(), ": no such folder",
              others.empty() ? "; --data_path wants the --out_path of create_training_dataset"
                             : "; there is training data for" + others + " only");
}

}  // namespace

Dataset::Dataset(const std::string& data_path, int factor, int64_t cache_bytes) : cache_bytes_(cache_bytes) {
  const std::string folder = folder_of(data_path, factor);
  const std::string path = (fs::path(folder) / "manifest.json").string();
  if (std::error_code ignored; !fs::exists(path, ignored))
    throw Error(Error::Kind::io, path, ": not there, so the data set is not complete; run ",
                "create_training_dataset again");
  const Manifest manifest = load_manifest(path);
  info_ = manifest.info;
  if (info_.factor != factor)
    throw Error(Error::Kind::format, path, ": the data set is for factor ", info_.factor,
                ", --upsampling_factor is ", factor);
  for (const ManifestFile& file : manifest.files) open(folder, file);
  if (size(Part::training) != info_.training_tiles || size(Part::validation) != info_.validation_tiles)
    throw Error(Error::Kind::format, path, ": its files hold ", size(Part::training), " and ",
                size(Part::validation), " tiles, ", info_.training_tiles, " and ", info_.validation_tiles,
                " were made; make the data set again");
}

void Dataset::open(const std::string& folder, const ManifestFile& file) {
  const std::string path = (fs::path(folder) / file.name).string();
  RecordReader reader(path);
  if (reader.size() != file.records || reader.bytes() != file.bytes || reader.checksum() != file.crc32c)
    throw Error(Error::Kind::format, path, ": not the file that manifest.json names (", reader.size(),
                " records in ", reader.bytes(), " bytes, ", file.records, " in ", file.bytes,
                " were made); make the data set again");
  const SampleType wide =
      bytes_of(info_.type) > 4 || info_.type == SampleType::u32 || info_.type == SampleType::i32
          ? SampleType::f64
          : SampleType::f32;
  const SampleType bic_up = info_.unrounded ? wide : info_.type;
  const SampleType down = info_.pairs ? info_.type : bic_up;
  std::vector<Place>& list = places_[file.name.starts_with("Training/") ? 0 : 1];
  for (int64_t i = 0; i < reader.size(); ++i) {
    const RecordEntry& e = reader.entry(i);
    const Window &fine = e.parts[0].window, &coarse = e.parts[1].window, &enlarged = e.parts[2].window;
    if (e.bands != info_.bands || e.parts[0].type != info_.type || e.parts[1].type != down ||
        e.parts[2].type != bic_up || fine.w != info_.factor * coarse.w || fine.h != info_.factor * coarse.h ||
        enlarged.w != fine.w || enlarged.h != fine.h)
      throw Error(Error::Kind::format, path, ": record ", i, " does not fit manifest.json: ", fine.w, " x ",
                  fine.h, " pixels of ", e.bands, " bands of ", name_of(e.parts[0].type),
                  "; make the data set again");
    list.push_back({static_cast<int32_t>(files_.size()), static_cast<int32_t>(i)});
  }
  files_.push_back(std::move(reader));
}

Dataset::Place Dataset::place(Part part, int64_t index) const {
  if (index < 0 || index >= size(part))
    throw Error(Error::Kind::usage, part == Part::training ? "training" : "validation", " tile ", index,
                ": there are ", size(part));
  return places(part)[static_cast<size_t>(index)];
}

const RecordEntry& Dataset::entry(Part part, int64_t index) const {
  const Place p = place(part, index);
  return files_[static_cast<size_t>(p.file)].entry(p.record);
}

Window Dataset::coarse_window(Part part, int64_t index) const {
  return entry(part, index).parts[1].window;
}

int64_t Dataset::bytes(Part part, int64_t index) const {
  return static_cast<int64_t>(entry(part, index).bytes());
}

std::shared_ptr<const TileRecord> Dataset::record(Part part, int64_t index) const {
  const Place p = place(part, index);
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = kept_.find(p); found != kept_.end()) {
      latest_.splice(latest_.begin(), latest_, found->second);
      return latest_.front().record;
    }
  }
  // Read without the lock: others go on with what is kept.
  auto read = std::make_shared<const TileRecord>(files_[static_cast<size_t>(p.file)].read(p.record));
  keep(p, read, bytes(part, index));
  return read;
}

void Dataset::keep(const Place& place, std::shared_ptr<const TileRecord> record, int64_t bytes) const {
  const std::lock_guard lock(mutex_);
  if (kept_.contains(place)) return;  // another thread was faster
  latest_.push_front({place, std::move(record), bytes});
  kept_[place] = latest_.begin();
  kept_bytes_ += bytes;
  while (kept_bytes_ > cache_bytes_ && latest_.size() > 1) {
    kept_bytes_ -= latest_.back().bytes;
    kept_.erase(latest_.back().place);
    latest_.pop_back();
  }
}

TrainingTile Dataset::tile(Part part, int64_t index) const {
  const auto r = record(part, index);
  return {normalized(r->gt, info_.ranges), normalized(r->down, info_.ranges),
          normalized(r->bic_up, info_.ranges)};
}

}  // namespace sr
