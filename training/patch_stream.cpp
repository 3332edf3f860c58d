#include "training/patch_stream.h"

#include <algorithm>
#include <cstring>
#include <exception>
#include <numeric>
#include <thread>

#include "scene/bounded_queue.h"
#include "tensor/cuda/device.h"
#include "tensor/error.h"
#include "tensor/on_cuda.h"
#include "tensor/random.h"
#include "training/dataset/symmetry.h"

namespace sr {
namespace {

constexpr auto kTraining = Dataset::Part::training;
constexpr size_t kBatchesAhead = 4;  // of each thread

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

// How samples become numbers: (sample - low) * scale + shift, as normalized() and then in float32.
struct Mapping {
  double low, scale;
  float shift;

  template <class T>
  float operator()(T sample) const {
    return static_cast<float>((static_cast<double>(sample) - low) * scale) + shift;
  }
};

// A window of one raster from `band` on, shifted by `offset` for each channel.
void cut_window(const Raster& from, const Window& window, int64_t band, const ValueRanges& ranges,
                const std::vector<float>& offset, float* to) {
  const auto channels = std::ssize(offset);
  with_sample_type(from.type, [&](auto zero) {
    for (int64_t y = 0; y < window.h; ++y, to += window.w * channels) {
      const auto* row =
          from.data<decltype(zero)>() + ((window.y + y) * from.window.w + window.x) * from.bands + band;
      for (int64_t c = 0; c < channels; ++c) {
        const ValueRange& range = range_of(ranges, band + c);
        const Mapping mapping{range.low, 1 / range.width(), offset[static_cast<size_t>(c)]};
        if (from.bands == 1)  // several samples at once
          for (int64_t x = 0; x < window.w; ++x) to[x] = mapping(row[x]);
        else
          for (int64_t x = 0; x < window.w; ++x) to[x * channels + c] = mapping(row[x * from.bands + c]);
      }
    }
  });
}

// Has the window's samples brought near while others are worked on: they lie scattered over a memory as large
// as the data set, and waiting for them takes longer than all else.
void fetch_ahead(const Raster& raster, const Window& window) {
  constexpr int64_t kLine = 64;
  const int64_t sample = bytes_of(raster.type), row = window.w * raster.bands * sample;
  for (int64_t y = 0; y < window.h; ++y) {
    const std::byte* const first =
        raster.samples.data() + ((window.y + y) * raster.window.w + window.x) * raster.bands * sample;
    for (int64_t at = 0; at < row; at += kLine) __builtin_prefetch(first + at);
    __builtin_prefetch(first + row - 1);
  }
}

// A square's channels one by one: row by row where it is not turned, else by its columns.
void turn(const float* from, int64_t side, int64_t channels, int symmetry, float* to) {
  const SymmetryWalk walk(symmetry, side, side, side);
  for (int64_t y = 0; y < side; ++y)
    for (int64_t c = 0; c < channels; ++c) {
      const float* const first = from + (walk.first + y * walk.down) * channels + c;
      float* const row = to + y * side * channels + c;
      for (int64_t x = 0; x < side; ++x) row[x * channels] = first[x * walk.right * channels];
    }
}

// a - b for each channel; none: zeros.
std::vector<float> difference(const std::vector<double>& a, const std::vector<double>& b, int64_t channels) {
  std::vector<float> d(static_cast<size_t>(channels));
  for (size_t c = 0; c < d.size(); ++c)
    d[c] = static_cast<float>((a.empty() ? 0 : a[c]) - (b.empty() ? 0 : b[c]));
  return d;
}

// The same pixel all over.
void fill(Tensor& x, const std::vector<float>& pixel) {
  for (int64_t p = 0; p < x.shape().pixels(); ++p) std::ranges::copy(pixel, x.data() + p * x.shape().c);
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

TrainingBatch PatchPlan::batch(int64_t number) {
  const Images own = options_.own.count() > 0 ? options_.own : Images{0, options_.batch_size};
  const int64_t n = own.count(), p = options_.patch_size, f = dataset_.info().factor;
  const int64_t channels = dataset_.info().nchan;
  const MeanValues& means = options_.means;
  TrainingBatch batch({n, p, p, channels}, f);
  // Where a tile's parts go, how many times finer than `down` they are, and what shifts them.
  struct Part {
    Raster TileRecord::*of;
    int64_t times;
    std::vector<float> offset;
    Tensor& to;
  };
  std::vector<Part> parts = {{&TileRecord::gt, f, difference({}, {}, channels), batch.gt},
                             {&TileRecord::down, 1, difference({}, means.down, channels), batch.down}};
  if (options_.base == Base::bicubic)
    parts.push_back({&TileRecord::bic_up, f, difference(means.gt, means.bic_up, channels), batch.base});
  else
    fill(batch.base, difference(means.gt, {}, channels));
  const auto window = [&](const Patch& patch, const Part& part) {
    return Window{part.times * patch.x, part.times * patch.y, part.times * p, part.times * p};
  };
  const std::vector<Patch> all = patches(number), list(all.begin() + own.begin, all.begin() + own.end);
  auto record = dataset_.record(kTraining, list[0].tile);
  for (size_t i = 0; i < list.size(); ++i) {
    const auto next = i + 1 < list.size() ? dataset_.record(kTraining, list[i + 1].tile) : nullptr;
    for (const Part& part : parts) {
      if (next) fetch_ahead((*next).*part.of, window(list[i + 1], part));
      const Patch& patch = list[i];
      const int64_t side = part.times * p, size = side * side * channels;
      float* const image = part.to.data() + static_cast<int64_t>(i) * size;
      upright_.resize(static_cast<size_t>(size));
      float* const upright = patch.symmetry == 0 ? image : upright_.data();
      cut_window((*record).*part.of, window(patch, part), patch.band, dataset_.info().ranges, part.offset,
                 upright);
      if (upright != image) turn(upright, side, channels, patch.symmetry, image);
    }
    record = next;
  }
  return batch;
}

namespace {

// The batch is in the device's memory when it returns, whatever stream it will be used in.
TrainingBatch sent_to_gpu(const TrainingBatch& batch, int64_t factor) {
  TrainingBatch there(batch.down.shape(), factor, Device::cuda);
  if constexpr (cuda::kBuilt) {
    thread_local cuda::PinnedMemory pinned;
    const int64_t bytes = 4 * batch.all.shape().size();
    std::memcpy(pinned.reserve(bytes), batch.all.data(), static_cast<size_t>(bytes));
    cuda::start_copy_to_device(there.all.address(), pinned.reserve(bytes), bytes);
    cuda::synchronize();
  }
  return there;
}

// The number of the calling thread's GPU, -1 for the processor.
int gpu_of(Device device) {
  if constexpr (cuda::kBuilt) {
    if (device == Device::cuda) return cuda::device_index();
  }
  return -1;
}

// Makes every so many-th batch.
class Maker {
 public:
  Maker(const PatchPlan& plan, int64_t factor) : plan_(plan), factor_(factor) {}
  ~Maker() {
    ahead_.close();
    if (thread_.joinable()) thread_.join();
  }
  Maker(const Maker&) = delete;
  Maker& operator=(const Maker&) = delete;

  void start(int64_t first, int64_t step, int gpu) {
    thread_ = std::thread([=, this] {
      try {
        if constexpr (cuda::kBuilt) {
          if (gpu >= 0) cuda::use_device(gpu);
        }
        for (int64_t b = first; ahead_.push(made(b, gpu >= 0)); b += step) {
        }
      } catch (...) {
        failure_ = std::current_exception();
        ahead_.close();
      }
    });
  }

  TrainingBatch next() {
    if (std::optional<TrainingBatch> batch = ahead_.pop()) return std::move(*batch);
    std::rethrow_exception(failure_);
  }

 private:
  TrainingBatch made(int64_t number, bool on_gpu) {
    TrainingBatch batch = plan_.batch(number);
    return on_gpu ? sent_to_gpu(batch, factor_) : batch;
  }

  PatchPlan plan_;
  int64_t factor_;
  BoundedQueue<TrainingBatch> ahead_{kBatchesAhead};
  std::exception_ptr failure_;  // set before the queue is closed, read after it was found closed
  std::thread thread_;
};

}  // namespace

struct PatchStream::Impl {
  PatchPlan plan;
  std::vector<std::unique_ptr<Maker>> makers;
  size_t turn = 0;  // whose batch is the next

  Impl(const Dataset& dataset, const PatchOptions& options, int64_t first_batch, Device device, int threads)
      : plan(dataset, options) {
    if (first_batch < 0) throw Error(Error::Kind::usage, "batch ", first_batch, ": they are counted from 0");
    for (int i = 0; i < threads; ++i) {
      makers.push_back(std::make_unique<Maker>(plan, dataset.info().factor));
      makers.back()->start(first_batch + i, threads, gpu_of(device));
    }
  }
};

PatchStream::PatchStream(const Dataset& dataset, const PatchOptions& options, int64_t first_batch,
                         Device device, int threads)
    : impl_(std::make_unique<Impl>(dataset, options, first_batch, device, threads)) {}

PatchStream::~PatchStream() = default;

int64_t PatchStream::batches_per_epoch() const {
  return impl_->plan.batches_per_epoch();
}

int64_t PatchStream::tiles_left_out() const {
  return impl_->plan.tiles_left_out();
}

TrainingBatch PatchStream::next() {
  TrainingBatch batch = impl_->makers[impl_->turn]->next();
  impl_->turn = (impl_->turn + 1) % impl_->makers.size();
  return batch;
}

}  // namespace sr
