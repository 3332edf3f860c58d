// A training data set as create_training_dataset leaves it, read tile by tile.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "io/formats/records.h"
#include "tensor/tensor.h"
#include "training/dataset/manifest.h"

namespace sr {

/// A tile on the network's scale: [1, h, w, bands] float32, (value - low) / (high - low); means are not taken
/// off.
struct TrainingTile {
  Tensor gt, down, bic_up;
};

/// Reads DATA_PATH/xFACTOR. Decoded tiles are kept in their sample types, the latest ones, up to a limit: a
/// small set is read once, a large one does not fill the memory. Threads may read at the same time.
class Dataset {
 public:
  enum class Part { training, validation };

  /// Errors: io (no such folder, or factor, or no manifest: not complete), format (damaged, or files that do
  /// not belong together), unsupported.
  Dataset(const std::string& data_path, int factor, int64_t cache_bytes = kCacheBytes);
  static constexpr int64_t kCacheBytes = int64_t{512} << 20;

  const DatasetInfo& info() const { return info_; }
  int64_t size(Part part) const { return static_cast<int64_t>(places(part).size()); }

  /// Size of a tile without reading it: of down, in pixels.
  Window coarse_window(Part part, int64_t index) const;
  /// Bytes that a tile takes while it is kept.
  int64_t bytes(Part part, int64_t index) const;

  /// Errors: io, format (damaged); usage (no such tile).
  std::shared_ptr<const TileRecord> record(Part part, int64_t index) const;
  TrainingTile tile(Part part, int64_t index) const;

 private:
  struct Place {
    int32_t file, record;
    bool operator==(const Place&) const = default;
  };
  struct HashPlace {
    size_t operator()(const Place& p) const {
      return static_cast<size_t>(p.file) << 32 | static_cast<uint32_t>(p.record);
    }
  };
  struct Kept {
    Place place;
    std::shared_ptr<const TileRecord> record;
    int64_t bytes;
  };

  const std::vector<Place>& places(Part part) const { return places_[part == Part::training ? 0 : 1]; }
  Place place(Part part, int64_t index) const;
  const RecordEntry& entry(Part part, int64_t index) const;
  void open(const std::string& folder, const ManifestFile& file);
  void keep(const Place& place, std::shared_ptr<const TileRecord> record, int64_t bytes) const;

  DatasetInfo info_;
  std::vector<RecordReader> files_;
  std::vector<Place> places_[2];
  int64_t cache_bytes_;
  mutable std::mutex mutex_;
  mutable std::list<Kept> latest_;  // the latest first
  mutable std::unordered_map<Place, std::list<Kept>::iterator, HashPlace> kept_;
  mutable int64_t kept_bytes_ = 0;
};

}  // namespace sr
