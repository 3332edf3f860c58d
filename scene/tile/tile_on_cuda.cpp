#include "scene/tile/tile_on_cuda.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "scene/tile/nodata_range.h"
#include "scene/tile/spread.h"
#include "scene/tile/tile_kernels.h"
#include "tensor/cuda/convert.h"
#include "tensor/cuda/telling.h"
#include "tensor/cuda/tensors.h"
#include "tensor/ops/pointwise.h"
#include "tensor/ops/resize_cuda.h"

namespace sr::cuda {
namespace {

Window scaled(const Window& w, int factor) {
  return {w.x * factor, w.y * factor, w.w * factor, w.h * factor};
}

// The GPU's memory for so many bytes.
Tensor device_block(int64_t bytes) {
  return Tensor(Shape{1, 1, 1, (bytes + 3) / 4}, DType::f32, Device::cuda);
}

Tensor on_device(const std::vector<float>& values) {
  return Tensor::from({1, 1, 1, static_cast<int64_t>(values.size())}, values).to(Device::cuda);
}

const float* floats(const Tensor& x) {
  return static_cast<const float*>(x.address());
}

// The calling thread's share of the processor: alone it is slower than copies between host and device.
void copy_samples(void* to, const void* from, int64_t bytes) {
  constexpr int64_t kPiece = 1 << 18;
#pragma omp parallel for schedule(static) if (bytes > 4 * kPiece)
  for (int64_t begin = 0; begin < bytes; begin += kPiece)
    std::memcpy(static_cast<std::byte*>(to) + begin, static_cast<const std::byte*>(from) + begin,
                static_cast<size_t>(std::min(kPiece, bytes - begin)));
}

// One after the other, within the GPU's memory.
void copy_floats(const Tensor& from, float* to) {
  convert(queue(), from.shape().size(), 1, DType::f32, {from.address(), 1}, DType::f32, {to, 1});
}

Model copied(const Model& model) {
  Model copy = Model::from_checkpoint(model.to_checkpoint(), "the model");
  copy.to(Device::cuda);
  return copy;
}

}  // namespace

TileOnCuda::TileOnCuda(const Model& model, const SceneSettings& settings, SpareSamples* spare)
    : model_(copied(model)),
      settings_(settings),
      spare_(spare),
      enlarging_(on_device(enlarging_weights(settings.factor))),
      overflow_(Tensor::zeros({1, 1, 1, 1}, Device::cuda)) {
  const MeanValues& m = model_.means;
  means_ = on_device({m.down.begin(), m.down.end()});
  std::vector<float> offsets;
  const size_t colours = settings_.colour_bands().size();
  for (size_t k = 0; k < colours; ++k) {
    const size_t i = settings_.mode == ColourMode::joint ? k : 0;
    offsets.push_back(model_.shift(i));
  }
  offsets_ = on_device(offsets);
  const std::vector<BandForm> forms = band_forms(settings_);
  std::vector<float> words(forms.size() * sizeof(BandForm) / sizeof(float));
  std::memcpy(words.data(), forms.data(), words.size() * sizeof(float));
  forms_ = on_device(words);
}

FineTile TileOnCuda::operator()(const Raster& window, const Tile& tile, bool with_bicubic) {
  try {
    const Window& w = tile.read;
    return telling([&] { return computed(window, tile, with_bicubic); }, "tile of ", w.w, " x ", w.h,
                   " pixels at ", w.x, ", ", w.y);
  } catch (const Error& e) {
    if (e.kind() != Error::Kind::limit) throw;
  }
  graph_.reset();
  last_.reset();
  place_ = {};
  return in_two(window, tile, with_bicubic);
}

FineTile TileOnCuda::in_two(const Raster& window, const Tile& tile, bool with_bicubic) {
  constexpr int64_t kSmallest = 16;
  const Window& core = tile.core;
  const bool across = core.w >= core.h;
  if (std::max(core.w, core.h) < 2 * kSmallest)
    throw Error(Error::Kind::limit, "cuda: not even a tile of ", core.w, " x ", core.h,
                " pixels fits into the device's memory, of which ", free_bytes(device_index()),
                " bytes are free; use --device cpu or another GPU");
  const Window first =
      across ? Window{core.x, core.y, core.w / 2, core.h} : Window{core.x, core.y, core.w, core.h / 2};
  const Window second = across ? Window{core.x + first.w, core.y, core.w - first.w, core.h}
                               : Window{core.x, core.y + first.h, core.w, core.h - first.h};
  SceneSettings here = settings_;
  here.on_gpu = true;
  const Reach margin = margin_for(&model_, here);
  FineTile whole;
  whole.result = Raster(scaled(core, settings_.factor), settings_.bands, window.type);
  if (with_bicubic) whole.bicubic = whole.result;
  if (settings_.spread) whole.spread = no_spread(whole.result.window, settings_);
  for (const Window& half : {first, second}) {
    // The margin, cut where the tile's own was cut: at the scene's border.
    const int64_t left = std::max(tile.read.x, half.x - margin.before),
                  top = std::max(tile.read.y, half.y - margin.before);
    const int64_t right = std::min(tile.read.x + tile.read.w, half.x + half.w + margin.after);
    const int64_t bottom = std::min(tile.read.y + tile.read.h, half.y + half.h + margin.after);
    const Tile part{half, {left, top, right - left, bottom - top}};
    const FineTile fine = (*this)(cut(window, part.read), part, with_bicubic);
    paste(whole.result, fine.result);
    if (with_bicubic) paste(*whole.bicubic, *fine.bicubic);
    if (whole.spread) paste(*whole.spread, *fine.spread);
  }
  return whole;
}

// What the network sees of the band (or of all bands together, or of luma).
Tensor TileOnCuda::input(const Tensor& values, const Window& read, int band) const {
  const int64_t c = settings_.mode == ColourMode::joint ? model_.nchan() : 1;
  Tensor x(Shape{1, read.h, read.w, c}, DType::f32, Device::cuda);
  if (settings_.mode == ColourMode::luma) {
    const std::vector<int> list = settings_.colour_bands();
    const int bands[3] = {list[0], list[1], list[2]};
    luma_input(queue(), read.pixels(), {values.address(), settings_.bands}, bands, coefficients(model_.luma),
               static_cast<float>(model_.means.down[0]), DType::f32, x.address());
  } else {
    channels_input(queue(), read.pixels(), c, {floats(values) + band, settings_.bands}, floats(means_),
                   DType::f32, x.address());
  }
  return x;
}

// As Model::residual().
EnsembleResidual TileOnCuda::answer(const Tensor& image) const {
  const auto network = [&](const Tensor& x, int = 0) {
    const Tensor y = (*model_.network)(Var(x)).value();
    if (model_.has_base()) return y;
    const Tensor less = scale(x, -1);
    Tensor enlarged(y.shape(), DType::f32, Device::cuda);
    bicubic_enlarge(queue(), x.shape(), view(less), settings_.factor, floats(enlarging_),
                    static_cast<float*>(enlarged.address()));
    return add(y, enlarged);
  };
  if (!settings_.self_ensemble) return {network(image), {}, {}};
  return ensemble_residual(image, settings_.spread, network);
}

// Images one after the other, [inputs, h, w, channels].
Shape TileOnCuda::residual_shape(const Window& read) const {
  const auto colours = static_cast<int64_t>(settings_.colour_bands().size());
  const int f = settings_.factor;
  return {settings_.mode == ColourMode::per_band ? colours : 1, read.h * f, read.w * f,
          settings_.mode == ColourMode::joint ? model_.nchan() : 1};
}

// What the network adds, without the means.
EnsembleResidual TileOnCuda::residual(const Tensor& values, const Window& read) const {
  const NoGrad no_grad;
  const std::vector<int> colours = settings_.colour_bands();
  const Shape shape = residual_shape(read);
  if (shape.n == 1) return answer(input(values, read, colours[0]));
  EnsembleResidual all;
  const auto put = [&](Tensor& to, const Tensor& one, int64_t image) {
    if (!one) return;
    if (!to) to = Tensor(shape, DType::f32, Device::cuda);
    copy_floats(one, static_cast<float*>(to.address()) + image * one.shape().size());
  };
  for (int64_t i = 0; i < shape.n; ++i) {
    const EnsembleResidual one = answer(input(values, read, colours[static_cast<size_t>(i)]));
    put(all.mean, one.mean, i), put(all.shift, one.shift, i), put(all.squares, one.squares, i);
  }
  return all;
}

void TileOnCuda::finish(const Tile& tile, SampleType type, const Tensor& values, const Tensor& added,
                        Tensor& to) {
  const FinishedSamples form{type,    settings_.bands, settings_.alpha_band.value_or(-1),
                             forms(), settings_.top,   nodata_range(settings_.nodata, type)};
  Residual r;
  if (added) {
    const Shape& s = added.shape();
    r.data = added.address(), r.width = s.w, r.pitch = s.c, r.offset = floats(offsets_);
    r.step = settings_.mode == ColourMode::joint ? 1 : s.h * s.w;
    r.shared = settings_.mode == ColourMode::luma;
    r.overflow = static_cast<int*>(overflow_.address());
    if (r.shared) r.gain = static_cast<float>(coefficients(model_.luma).rgb_gain);
  }
  finish_samples(queue(), tile.read, tile.core, settings_.factor, floats(enlarging_), floats(values), r, form,
                 to.address());
}

// From what lies in place_.samples or, where holes were filled, in place_.values.
void TileOnCuda::compute(const Tile& tile, SampleType type, bool normalized) {
  const KeepPacked keep(packed_);
  if (!normalized)
    normalize_samples(queue(), type, tile.read.pixels(), settings_.bands, forms(), place_.samples.address(),
                      static_cast<float*>(place_.values.address()));
  const std::vector<int> colours = settings_.colour_bands();
  const bool varies =
      std::any_of(colours.begin(), colours.end(), [&](int band) { return settings_.gets_residual(band); });
  const EnsembleResidual added = varies ? residual(place_.values, tile.read) : EnsembleResidual{};
  finish(tile, type, place_.values, added.mean, place_.result);
  if (added.shift) {
    copy_floats(added.shift, static_cast<float*>(place_.shift.address()));
    copy_floats(added.squares, static_cast<float*>(place_.squares.address()));
  }
  if (place_.bicubic) finish(tile, type, place_.values, {}, place_.bicubic);
}

FineTile TileOnCuda::computed(const Raster& window, const Tile& tile, bool with_bicubic) {
  const Window fine_window = scaled(tile.core, settings_.factor);
  const Invalid invalid = settings_.may_have_holes ? find_invalid(window, settings_.hole_rule()) : Invalid();
  const bool marked = std::any_of(invalid.begin(), invalid.end(), [](uint8_t mark) { return mark != kSeen; });
  if (marked && std::find(invalid.begin(), invalid.end(), kSeen) == invalid.end())
    return upscale_tile(&model_, settings_, window, tile, with_bicubic);  // nothing to compute
  const bool prepares = marked || settings_.opaque > 0;                   // by the processor
  const Key key{tile.read.w, tile.read.h, tile.core.x - tile.read.x,         tile.core.y - tile.read.y,
                tile.core.w, tile.core.h, static_cast<int64_t>(window.type), prepares + 2 * with_bicubic};
  const bool again = last_ == key;
  const auto result_bytes =
      static_cast<int64_t>(fine_window.pixels() * settings_.bands * bytes_of(window.type));
  if (!again) {
    graph_.reset();
    last_.reset();
    place_ = {};
    const int64_t samples = tile.read.pixels() * settings_.bands;
    place_ = {device_block(prepares ? 0 : samples * bytes_of(window.type)),
              device_block(4 * samples),
              device_block(result_bytes),
              with_bicubic ? device_block(result_bytes) : Tensor(),
              {},
              {}};
    if (settings_.spread) {
      place_.shift = Tensor(residual_shape(tile.read), DType::f32, Device::cuda);
      place_.squares = Tensor(residual_shape(tile.read), DType::f32, Device::cuda);
    }
  }
  upload(window, invalid, prepares);
  if (graph_)
    graph_->launch();
  else if (again)
    graph_ = std::make_unique<Graph>([&] { compute(tile, window.type, prepares); });
  else
    compute(tile, window.type, prepares);
  last_ = key;
  start_copy_to_host(overflowed_.reserve(sizeof(int)), overflow_.address(), sizeof(int));
  FineTile fine;
  fine.result = download(place_.result, fine_window, window.type);
  check_overflow(tile);
  if (with_bicubic) fine.bicubic = download(place_.bicubic, fine_window, window.type);
  if (settings_.spread) fine.spread = spread(tile);
  if (!invalid.empty() && fine.spread) hide_spread(*fine.spread, window, invalid, settings_);
  complete(fine.result, window, settings_, invalid);
  if (with_bicubic) complete(*fine.bicubic, window, settings_, invalid);
  return fine;
}

// Samples, or where there are holes to be filled, what they become.
void TileOnCuda::upload(const Raster& window, const Invalid& invalid, bool prepares) {
  if (prepares) {
    const Tensor values = prepared(window, settings_, invalid);
    send(place_.values, values.data(), 4 * values.shape().size());
  } else {
    send(place_.samples, window.samples.data(), static_cast<int64_t>(window.samples.size()));
  }
}

void TileOnCuda::send(Tensor& to, const void* from, int64_t bytes) {
  void* const pinned = in_.reserve(bytes);
  copy_samples(pinned, from, bytes);
  start_copy_to_device(to.address(), pinned, bytes);
}

void TileOnCuda::check_overflow(const Tile& tile) {
  if (*static_cast<const int*>(overflowed_.reserve(sizeof(int))) == 0) return;
  const bool half = precision() == Precision::fp16;
  throw Error(
      Error::Kind::usage, "what the network gives for the tile at ", tile.core.x, ", ", tile.core.y,
      half ? " is beyond what fp16 holds; use --precision bf16" : " is not finite; other weights are needed");
}

Raster TileOnCuda::download(const Tensor& samples, const Window& window, SampleType type) {
  const int64_t bytes = window.pixels() * settings_.bands * sr::bytes_of(type);
  void* const pinned = out_.reserve(bytes);
  start_copy_to_host(pinned, samples.address(), bytes);
  Raster raster;
  raster.window = window, raster.bands = settings_.bands, raster.type = type;
  const auto size = static_cast<size_t>(bytes);
  raster.samples = spare_ ? spare_->take(size) : std::vector<std::byte>(size);
  synchronize();
  copy_samples(raster.samples.data(), pinned, bytes);
  return raster;
}

Raster TileOnCuda::spread(const Tile& tile) const {
  Raster raster = no_spread(scaled(tile.core, settings_.factor), settings_);
  const double gain = settings_.mode == ColourMode::luma ? coefficients(model_.luma).rgb_gain : 1;
  set_spread(raster, 0, place_.shift.to(Device::cpu), place_.squares.to(Device::cpu), tile, settings_, gain);
  return raster;
}

std::vector<BandForm> band_forms(const SceneSettings& settings) {
  std::vector<BandForm> forms;
  for (int band = 0; band < settings.bands; ++band) {
    const ValueRange& range = range_of(settings.ranges, band);
    forms.push_back({range.low, range.width(), 1 / range.width(), settings.gets_residual(band)});
  }
  return forms;
}

int64_t device_bytes(const Model& model, const SceneSettings& s, const Tile& tile, int64_t sample_bytes) {
  const int64_t f2 = int64_t{s.factor} * s.factor, coarse = tile.read.pixels(),
                fine = tile.core.pixels() * f2;
  const int64_t inputs = s.mode == ColourMode::per_band ? static_cast<int64_t>(s.colour_bands().size()) : 1;
  const int64_t stored = sr::bytes_of(storage(precision()));
  const EnsembleMemory more = s.self_ensemble ? ensemble_memory(s.spread) : EnsembleMemory{0, 0};
  const int64_t less = model.has_base() ? 0 : 1;  // the image turned negative; that enlarged, and the sum
  const int64_t answers = inputs + 1 + 2 * less + more.during + more.after + (s.spread ? 4 * inputs : 0);
  const int64_t network = coarse * (stored * model.network->recorded_channels() +
                                    4 * model.nchan() * ((s.self_ensemble ? 2 : 1) + less + f2 * answers));
  return coarse * s.bands * (sample_bytes + 4) + 2 * fine * s.bands * sample_bytes + network;
}

}  // namespace sr::cuda
