#include "training/patch_stream.h"

#include <algorithm>
#include <exception>
#include <numeric>
#include <thread>

#include "idn/bounded_queue.h"
#include "tensor/error.h"
#include "tensor/random.h"
#include "training/symmetry.h"

namespace sr {
namespace {

constexpr auto kTraining = Dataset::Part::training;
constexpr size_t kBatchesAhead = 4;

// Numbers of their own for every place of every epoch.
Random random_for(uint64_t seed, int64_t epoch, int64_t place) {
  Random random{seed};
  random.state = random.next() ^ static_cast<uint64_t>(epoch);
  random.state = random.next() ^ static_cast<uint64_t>(place);
  return random;
}

constexpr int64_t kOrderOfTiles = -1;  // the place whose numbers shuffle the epoch

template <class Iterator>
void shuffle(Iterator begin, Iterator end, Random& random) {
  for (auto n = end - begin; n > 1; --n) std::swap(begin[n - 1], begin[random.integer(n)]);
}

// Copies a square window of one raster into image n of a tensor, turned and on the network's scale.
void copy_patch(const Raster& from, Window window, const PatchPlan::Patch& patch, const ValueRange& range,
                Tensor& to, int64_t n) {
  const int64_t channels = to.shape().c, side = window.w;
  const SymmetryWalk walk(patch.symmetry, side, side, from.window.w);
  const double scale = 1 / (range.high - range.low);
  float* out = to.data() + n * side * side * channels;
  with_sample_type(from.type, [&](auto zero) {
    const auto* first = from.data<decltype(zero)>() +
                        (window.y * from.window.w + window.x + walk.first) * from.bands + patch.band;
    for (int64_t y = 0; y < side; ++y)
      for (int64_t x = 0; x < side; ++x) {
        const auto* pixel = first + (x * walk.right + y * walk.down) * from.bands;
        for (int64_t c = 0; c < channels; ++c)
          *out++ = static_cast<float>((static_cast<double>(pixel[c]) - range.low) * scale);
      }
  });
}

}  // namespace

PatchPlan::PatchPlan(const Dataset& dataset, const PatchOptions& options)
    : dataset_(dataset), options_(options) {
  if (options.patch_size < 1 || options.batch_size < 1)
    throw Error(Error::Kind::usage, "patches of ", options.patch_size, " pixels in batches of ",
                options.batch_size, ": both must be at least 1");
  int64_t largest = 0, all = 0;
  for (int64_t i = 0; i < dataset.size(kTraining); ++i) {
    const Window tile = dataset.coarse_window(kTraining, i);
    largest = std::max(largest, std::min(tile.w, tile.h));
    if (std::min(tile.w, tile.h) < options.patch_size) continue;
    tiles_.push_back(i);
    per_tile_.push_back(tile.pixels() / (options.patch_size * options.patch_size));
    all += per_tile_.back();
  }
  if (tiles_.empty())
    throw Error(Error::Kind::usage, "patches of ", options.patch_size, " x ", options.patch_size,
                " low-resolution pixels: no tile of the data set is so large; --patch_size ", largest,
                " would fit into the largest, or make larger tiles");
  if (all > INT32_MAX)
    throw Error(Error::Kind::limit, "patches of ", options.patch_size, " x ", options.patch_size,
                " pixels: ", all,
                " of them make an epoch, at most 2^31 are handled; take a larger --patch_size");
  batches_per_epoch_ = std::max<int64_t>(1, all / options.batch_size);
}

void PatchPlan::order_epoch(int64_t epoch) {
  if (epoch == epoch_) return;
  Random random = random_for(options_.seed, epoch, kOrderOfTiles);
  std::vector<int32_t> tiles(tiles_.size());
  std::iota(tiles.begin(), tiles.end(), 0);
  if (options_.shuffle) shuffle(tiles.begin(), tiles.end(), random);
  order_.clear();
  auto mixed_from = order_.end() - order_.begin();
  int64_t bytes = 0;
  const auto mix = [&] {
    if (options_.shuffle) shuffle(order_.begin() + mixed_from, order_.end(), random);
    mixed_from = order_.end() - order_.begin();
    bytes = 0;
  };
  for (const int32_t t : tiles) {
    const int64_t size = dataset_.bytes(kTraining, tiles_[static_cast<size_t>(t)]);
    if (bytes + size > options_.mixed_bytes) mix();
    bytes += size;
    order_.insert(order_.end(), static_cast<size_t>(per_tile_[static_cast<size_t>(t)]), t);
  }
  mix();
  epoch_ = epoch;
}

std::vector<PatchPlan::Patch> PatchPlan::patches(int64_t batch) {
  const int64_t epoch = batch / batches_per_epoch_;
  order_epoch(epoch);
  const DatasetInfo& info = dataset_.info();
  std::vector<Patch> list;
  for (int64_t i = 0; i < options_.batch_size; ++i) {
    const int64_t place = batch % batches_per_epoch_ * options_.batch_size + i;
    Random random = random_for(options_.seed, epoch, place);
    Patch patch;
    // A data set of less than a batch fills it by giving its tiles again.
    const auto at = static_cast<size_t>(place) % order_.size();
    patch.tile = tiles_[static_cast<size_t>(order_[at])];
    const Window tile = dataset_.coarse_window(kTraining, patch.tile);
    patch.x = random.integer(tile.w - options_.patch_size + 1);
    patch.y = random.integer(tile.h - options_.patch_size + 1);
    if (options_.augment) patch.symmetry = static_cast<int>(random.integer(kSymmetries));
    patch.band = static_cast<int>(random.integer(info.bands / info.nchan));
    list.push_back(patch);
  }
  return list;
}

PatchBatch PatchPlan::batch(int64_t number) {
  const int64_t n = options_.batch_size, p = options_.patch_size, f = dataset_.info().factor;
  const int64_t channels = dataset_.info().nchan;
  const ValueRange& range = dataset_.info().range;
  PatchBatch batch{Tensor({n, f * p, f * p, channels}), Tensor({n, p, p, channels}),
                   Tensor({n, f * p, f * p, channels})};
  const std::vector<Patch> list = patches(number);
  for (int64_t i = 0; i < n; ++i) {
    const Patch& patch = list[static_cast<size_t>(i)];
    const auto record = dataset_.record(kTraining, patch.tile);
    const Window coarse{patch.x, patch.y, p, p}, fine{f * patch.x, f * patch.y, f * p, f * p};
    copy_patch(record->gt, fine, patch, range, batch.gt, i);
    copy_patch(record->down, coarse, patch, range, batch.down, i);
    copy_patch(record->bic_up, fine, patch, range, batch.bic_up, i);
  }
  return batch;
}

struct PatchStream::Impl {
  PatchPlan plan;
  BoundedQueue<PatchBatch> ahead{kBatchesAhead};
  std::exception_ptr failure;  // set before the queue is closed, read after it was found closed
  std::thread maker;

  Impl(const Dataset& dataset, const PatchOptions& options, int64_t first_batch) : plan(dataset, options) {
    if (first_batch < 0) throw Error(Error::Kind::usage, "batch ", first_batch, ": they are counted from 0");
    maker = std::thread([this, first_batch] {
      try {
        for (int64_t b = first_batch; ahead.push(plan.batch(b)); ++b) {
        }
      } catch (...) {
        failure = std::current_exception();
        ahead.close();
      }
    });
  }
  ~Impl() {
    ahead.close();
    maker.join();
  }
};

PatchStream::PatchStream(const Dataset& dataset, const PatchOptions& options, int64_t first_batch)
    : impl_(std::make_unique<Impl>(dataset, options, first_batch)) {}

PatchStream::~PatchStream() = default;

int64_t PatchStream::batches_per_epoch() const {
  return impl_->plan.batches_per_epoch();
}

int64_t PatchStream::tiles_left_out() const {
  return impl_->plan.tiles_left_out();
}

PatchBatch PatchStream::next() {
  if (std::optional<PatchBatch> batch = impl_->ahead.pop()) return std::move(*batch);
  std::rethrow_exception(impl_->failure);
}

}  // namespace sr
