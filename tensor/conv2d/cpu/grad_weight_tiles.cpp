// The gradient for a convolution's weights in bfloat16, compiled once for each way to multiply it.
//
// A sum over pixels: of 16 outputs' gradients, 32 pixels of each side by side, times 16 channels of as many
// pixels, in pairs, a tap's distance away. At an odd distance the pairs are others, so there are two sets of
// them. Two images are a slot, which has sums of its own, by one thread's hand; they are added by the tree of
// tensor/image_tree.h, which this cannot include.
#include <omp.h>

#include <cstring>

#include "tensor/conv2d/cpu/bf16.h"
#include "tensor/conv2d/cpu/flat_rows.h"
#include "tensor/simd/tiles.h"

namespace {

using sr::cpu::kMostSlots;

constexpr int64_t kImagesOfASlot = 2;  // kImagesOfALeaf of the tree
constexpr int64_t kBandPixels = 1024;
constexpr int64_t kChunkSteps = 7;
constexpr int64_t kBlockSums = 4 * kTileSums;  // of two tiles of outputs by two of channels

int64_t ceil_div(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

/// Row and column of one flat pixel after the other.
struct Walk {
  int64_t row, column, end;
  void next(int64_t begin = 0) {
    if (++column == end) ++row, column = begin;
  }
};

class GradWeight {
 public:
  GradWeight(const ConvDims& d, const float* x, const float* dy)
      : given_(d),
        d_(d.stride > 1 ? of_windows(d) : d),
        x_(x),
        dy_(dy),
        taps_(d_.kh * d_.kw),
        pitch_(round_up(flat_pitch(d_), 2)),  // so that only the columns of a kernel have odd distances
        bands_(d_, smaller(d_.oh, kBandPixels / pitch_ > d_.kh ? kBandPixels / pitch_ : d_.kh)),
        steps_(ceil_div(bands_.rows * pitch_, kStepDepth)),
        pairs_(steps_ * kTileLines + ceil_div((d_.kh - 1) * pitch_ + d_.kw, 2)),
        output_tiles_(ceil_div(d_.o, kTileLines)),
        channel_tiles_(ceil_div(d_.c, kTileLines)),
        output_pairs_(ceil_div(output_tiles_, 2)),
        channel_pairs_(ceil_div(channel_tiles_, 2)),
        slots_(ceil_div(d_.n, kImagesOfASlot)),
        sums_(slots_ * slot_sums()) {}

  void run(float* dw) {
    const int64_t shares = shares_of_a_slot(),
                  halves = gradient_halves() + (d_.kw > 1 ? 2 : 1) * input_halves();
    const int64_t floats = given_.stride > 1 ? 3 * d_.c : 0;
    Halves all(halves * omp_get_max_threads());
    Buffer all_windows(floats * omp_get_max_threads());
#pragma omp parallel
    {
      uint16_t* gradient = all.data() + halves * omp_get_thread_num();
      uint16_t* inputs[2] = {gradient + gradient_halves(), gradient + gradient_halves() + input_halves()};
      tiles_begin();
#pragma omp for schedule(dynamic)
      for (int64_t task = 0; task < slots_ * shares; ++task) {
        const int64_t slot = task / shares, begin = slot * kImagesOfASlot * bands_.in_image();
        const int64_t end = smaller(begin + kImagesOfASlot * bands_.in_image(), bands_.size());
        for (int64_t i = begin; i < end; ++i) {
          fill_gradient(bands_[i], gradient);
          fill_inputs(bands_[i], all_windows.data() + floats * omp_get_thread_num(), inputs);
          for (int64_t o = task % shares; o < output_pairs_; o += shares)
            add_products(o, gradient, inputs, sums_.data() + slot * slot_sums(), i == begin);
        }
      }
      tiles_end();
#pragma omp for schedule(static)
      for (int64_t o = 0; o < d_.o; ++o) write(o, dw);
    }
  }

 private:
  int64_t slot_sums() const {
    return output_pairs_ * channel_pairs_ * taps_ * kBlockSums;
  }
  int64_t gradient_halves() const {
    return output_tiles_ * steps_ * kTileHalves;
  }
  int64_t input_halves() const {
    return channel_tiles_ * pairs_ * kStepDepth;
  }
  int64_t sums_of(int64_t o, int64_t c) const {  // of the slot's, for two tiles of outputs and of channels
    return (o * channel_pairs_ + c) * taps_ * kBlockSums;
  }

  // Where there are more threads than slots, they share a slot's outputs, each with inputs of its own.
  int64_t shares_of_a_slot() const {
    return smaller(output_pairs_, ceil_div(omp_get_max_threads(), slots_));
  }

  // [tiles of outputs][steps][16 outputs][32 pixels], zeros between the rows and behind them.
  void fill_gradient(const Band& band, uint16_t* to) const {
    Walk pixel{0, 0, pitch_};
    for (int64_t s = 0; s < steps_; ++s) {
      const float* from[kStepDepth];
      for (int64_t p = 0; p < kStepDepth; ++p, pixel.next())
        from[p] = pixel.row < band.rows && pixel.column < d_.ow
                      ? dy_ + ((band.n * d_.oh + band.row + pixel.row) * d_.ow + pixel.column) * d_.y_pitch
                      : nullptr;
      for (int64_t o = 0; o < output_tiles_; ++o) {
        alignas(64) uint16_t rows[kTileLines][kStepDepth];
        for (int64_t p = 0; p < kStepDepth; p += 2)
          store_pairs(rows[p / 2], sixteen(from[p], o, d_.o), sixteen(from[p + 1], o, d_.o));
        transpose_pairs(rows, to + (o * steps_ + s) * kTileHalves);
      }
    }
  }

  // Twice [tiles of channels][pairs of pixels][16 channels][2], from the band's first pixel and from its
  // second one on. `windows` is room for three of them.
  void fill_inputs(const Band& band, float* windows, uint16_t* const* to) const {
    Walk pixel{band.row - d_.pad_h, -d_.pad_w, pitch_ - d_.pad_w};
    int64_t turn = 0;
    const auto next = [&]() -> const float* {
      const Walk at = pixel;
      pixel.next(-d_.pad_w);
      if (at.row < 0 || at.row >= d_.h || at.column < 0 || at.column >= d_.w) return nullptr;
      if (given_.stride == 1) return x_ + ((band.n * d_.h + at.row) * d_.w + at.column) * d_.x_pitch;
      float* window = windows + turn++ % 3 * d_.c;
      gather_window(given_, x_, band.n, at.row, at.column, window);
      return window;
    };
    const float* first = next();
    for (int64_t pair = 0; pair < pairs_; ++pair) {
      const float *second = next(), *third = next();
      for (int64_t c = 0; c < channel_tiles_; ++c) {
        const int64_t at = (c * pairs_ + pair) * kStepDepth;
        const Lanes16 middle = sixteen(second, c, d_.c);
        store_pairs(to[0] + at, sixteen(first, c, d_.c), middle);
        if (d_.kw > 1) store_pairs(to[1] + at, middle, sixteen(third, c, d_.c));
      }
      first = third;
    }
  }

  // Of a pixel's `all` values those of a tile; zeros where there is no pixel.
  static Lanes16 sixteen(const float* pixel, int64_t tile, int64_t all) {
    return pixel ? Lanes16::load_first(pixel + tile * kTileLines, all - tile * kTileLines) : Lanes16::zero();
  }

  // Whether any of these two tiles of outputs and two of channels are of one group.
  bool mixes(int64_t o, int64_t c) const {
    const int64_t cg = d_.c / d_.groups, og = d_.o / d_.groups;
    const int64_t first = o * 2 * kTileLines, last = smaller(first + 2 * kTileLines, d_.o) - 1;
    return first / og * cg < (c + 1) * 2 * kTileLines && (last / og + 1) * cg > c * 2 * kTileLines;
  }

  using SumFunction = void (GradWeight::*)(const uint16_t*, const uint16_t*, int64_t, float*, bool) const;
  static SumFunction sum_function(bool two_outputs, bool two_channels) {
    if (two_outputs) return two_channels ? &GradWeight::sum<2, 2> : &GradWeight::sum<2, 1>;
    return two_channels ? &GradWeight::sum<1, 2> : &GradWeight::sum<1, 1>;
  }

  // Adds a band's products for two tiles of outputs to the slot's sums [outputs][channels][taps][2][2], or
  // begins them. The first-level cache holds a chunk's factors for all taps at even distances, or at odd
  // ones.
  void add_products(int64_t o, const uint16_t* gradient, uint16_t* const* inputs, float* sums,
                    bool first) const {
    for (int64_t c = 0; c < channel_pairs_; ++c) {
      if (!mixes(o, c)) continue;
      const auto add = sum_function(2 * o + 1 < output_tiles_, 2 * c + 1 < channel_tiles_);
      for (int64_t begin = 0; begin < steps_; begin += kChunkSteps)
        for (int64_t odd = 0; odd < 2; ++odd)
          for (int64_t tap = 0; tap < taps_; ++tap) {
            const int64_t distance = tap / d_.kw * pitch_ + tap % d_.kw;
            if (distance % 2 != odd) continue;
            (this->*add)(gradient + (2 * o * steps_ + begin) * kTileHalves,
                         inputs[odd] + (2 * c * pairs_ + distance / 2) * kStepDepth + begin * kTileHalves,
                         smaller(kChunkSteps, steps_ - begin), sums + sums_of(o, c) + tap * kBlockSums,
                         first && begin == 0);
          }
    }
  }

  // O tiles of outputs by C of channels.
  template <int O, int C>
  void sum(const uint16_t* a, const uint16_t* b, int64_t steps, float* sums, bool first) const {
    first ? begin_sums<O, C>() : load_sums<O, C>(sums);
    for (int64_t s = 0; s < steps; ++s, a += kTileHalves, b += kTileHalves) {
      tile_load<4>(a, kTileRowBytes);
      tile_load<6>(b, kTileRowBytes);
      tile_dot<0, 4, 6>();
      if constexpr (C == 2) {
        tile_load<7>(b + pairs_ * kStepDepth, kTileRowBytes);
        tile_dot<1, 4, 7>();
      }
      if constexpr (O == 2) {
        tile_load<5>(a + steps_ * kTileHalves, kTileRowBytes);
        tile_dot<2, 5, 6>();
        if constexpr (C == 2) tile_dot<3, 5, 7>();
      }
    }
    tile_store<0>(sums, kTileRowBytes);
    if constexpr (C == 2) tile_store<1>(sums + kTileSums, kTileRowBytes);
    if constexpr (O == 2) tile_store<2>(sums + 2 * kTileSums, kTileRowBytes);
    if constexpr (O * C == 4) tile_store<3>(sums + 3 * kTileSums, kTileRowBytes);
  }

  template <int O, int C>
  static void begin_sums() {
    tile_zero<0>();
    if constexpr (C == 2) tile_zero<1>();
    if constexpr (O == 2) tile_zero<2>();
    if constexpr (O * C == 4) tile_zero<3>();
  }

  template <int O, int C>
  static void load_sums(const float* sums) {
    tile_load<0>(sums, kTileRowBytes);
    if constexpr (C == 2) tile_load<1>(sums + kTileSums, kTileRowBytes);
    if constexpr (O == 2) tile_load<2>(sums + 2 * kTileSums, kTileRowBytes);
    if constexpr (O * C == 4) tile_load<3>(sums + 3 * kTileSums, kTileRowBytes);
  }

  // Neighbours are added until one is left.
  Lanes16 sum_of_slots(const float* first) const {
    Lanes16 sums[kMostSlots];
    for (int64_t i = 0; i < slots_; ++i) sums[i] = Lanes16::load(first + i * slot_sums());
    for (int64_t n = slots_; n > 1; n = ceil_div(n, 2)) {
      for (int64_t i = 0; i < n / 2; ++i) sums[i] = sums[2 * i] + sums[2 * i + 1];
      if (n % 2 != 0) sums[n / 2] = sums[n - 1];
    }
    return sums[0];
  }

  // The slots' sums for one output, added -> dw[kh][kw][c of the group].
  void write(int64_t o, float* dw) const {
    const int64_t cg = d_.c / d_.groups, first = o / (d_.o / d_.groups) * cg;
    const int64_t tile = o / kTileLines, line = o % kTileLines;
    for (int64_t tap = 0; tap < taps_; ++tap)
      for (int64_t c = first / kTileLines; c * kTileLines < first + cg; ++c) {
        const float* from = const_cast<Buffer&>(sums_).data() + sums_of(tile / 2, c / 2) + tap * kBlockSums +
                            (tile % 2 * 2 + c % 2) * kTileSums + line * kTileLines;
        const Lanes16 all = sum_of_slots(from);
        float values[kTileLines];
        all.store(values);
        const int64_t begin = c * kTileLines > first ? c * kTileLines : first;
        const int64_t end = smaller((c + 1) * kTileLines, first + cg);
        std::memcpy(dw + (o * taps_ + tap) * cg + begin - first, values + begin - c * kTileLines,
                    static_cast<size_t>(end - begin) * sizeof(float));
      }
  }

  const ConvDims& given_;
  ConvDims d_;  // of which this is the gradient at stride 1
  const float *x_, *dy_;
  int64_t taps_, pitch_;
  Bands bands_;
  int64_t steps_, pairs_;  // of a band: of 32 pixels; of inputs
  int64_t output_tiles_, channel_tiles_, output_pairs_, channel_pairs_, slots_;
  Buffer sums_;  // [slots][pairs of output tiles][pairs of channel tiles][taps][2][2][16][16]
};

}  // namespace

namespace sr::cpu::tiles::SR_SIMD {

void conv2d_grad_weight_bf16(const ConvDims& d, const float* x, const float* dy, float* dw) {
  GradWeight(d, x, dy).run(dw);
}

}  // namespace sr::cpu::tiles::SR_SIMD
