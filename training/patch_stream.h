// Random patches of a training data set, batch after batch, from threads of their own.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "distributed/rank_tree.h"
#include "idn/model.h"
#include "training/batch.h"
#include "training/dataset/dataset.h"

namespace sr {

struct PatchOptions {
  int64_t patch_size = 24;  ///< coarse pixels
  int64_t batch_size = 16;
  Images own = {};  ///< of each batch, which are made; none: all
  uint64_t seed = 1;
  bool shuffle = true;        ///< another order of the tiles in each epoch
  bool augment = true;        ///< each patch under one of the eight flips and rotations
  MeanValues means = {};      ///< that a batch's parts are shifted by; none: zeros
  Base base = Base::bicubic;  ///< none: a batch's base is mean_gt all over
  /// Patches are mixed among tiles that take so much memory together; then come the next tiles. So each tile
  /// is read once an epoch however large the data set is. At most half of what Dataset keeps.
  int64_t mixed_bytes = int64_t{256} << 20;
};

/// Which patches make up a batch: a pure function of the options and the batch's number, so a run that starts
/// again at batch b goes on with the same data. An epoch is as many patches as fit into the area of all
/// training tiles, at least one per tile; the last batch is left out if it is not full. Where several bands
/// go through a network of one channel, each patch takes one of them.
class PatchPlan {
 public:
  /// Tiles that are smaller than a patch are left out. Errors: usage (all are: says which patch_size fits;
  /// sizes below 1).
  PatchPlan(const Dataset& dataset, const PatchOptions& options);

  int64_t batches_per_epoch() const { return batches_per_epoch_; }
  int64_t tiles_left_out() const { return dataset_.size(Dataset::Part::training) - tile_count(); }

  struct Patch {
    int64_t tile = 0, x = 0, y = 0;  ///< coarse pixels
    int symmetry = 0, band = 0;
  };
  std::vector<Patch> patches(int64_t batch);

  /// The samples of a batch, or of the own images of it.
  TrainingBatch batch(int64_t number);

 private:
  int64_t tile_count() const { return static_cast<int64_t>(tiles_.size()); }
  void order_epoch(int64_t epoch);

  const Dataset& dataset_;
  PatchOptions options_;
  std::vector<int64_t> tiles_;     // those that are large enough
  std::vector<int64_t> per_tile_;  // patches that fit into each
  int64_t batches_per_epoch_ = 0;
  int64_t epoch_ = -1;          // whose order is held
  std::vector<int32_t> order_;  // a number in tiles_ for each place of the epoch
  std::vector<float> upright_;  // a patch before it is turned
};

/// Makes batches ahead in the background, on `device`.
class PatchStream {
 public:
  /// `threads` make them, each every so many-th. The data set must outlive the stream. Errors: as PatchPlan.
  PatchStream(const Dataset& dataset, const PatchOptions& options, int64_t first_batch = 0,
              Device device = Device::cpu, int threads = 1);
  ~PatchStream();
  PatchStream(const PatchStream&) = delete;
  PatchStream& operator=(const PatchStream&) = delete;

  int64_t batches_per_epoch() const;
  /// Training tiles that are smaller than a patch and are not used.
  int64_t tiles_left_out() const;

  /// The next batch. Errors: what went wrong in the background (io, format, device); the stream ends there.
  TrainingBatch next();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sr
