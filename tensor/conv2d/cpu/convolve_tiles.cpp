// Convolutions of batches in bfloat16, compiled once for each way to multiply it, whose name CMakeLists.txt
// defines SR_SIMD as.
//
// A band of rows is rounded once, each pixel's channels to a multiple of 32, so that every row of a tile is
// one cache line. Thirty-two pixels by thirty-two outputs are summed at a time, tap by tap; two tiles of
// outputs go over all pixels before the next two, so that their weights stay in the first-level cache.
#include <omp.h>

#include <cstring>

#include "tensor/conv2d/cpu/bf16.h"
#include "tensor/conv2d/cpu/flat_rows.h"
#include "tensor/simd/tiles.h"
#include "tensor/stop.h"

namespace {

using sr::cpu::ConvEpilogue;

constexpr int64_t kBlockPixels = 32;
constexpr int64_t kBandPixels = 1024;  // of 64 channels, an eighth of a megabyte: with sums and results it
                                       // stays in the second-level cache

/// Two tiles of outputs, or a last one, and the steps of each tap that have channels of their groups.
struct Pair {
  int64_t tile, tiles, first_step, steps, weights;  // weights: where its own begin, in tiles
};

class Convolution {
 public:
  Convolution(const ConvDims& d, const float* weight, bool flipped, const ConvEpilogue& epilogue, float* y)
      : given_(d),
        d_(d.stride > 1 ? of_windows(d) : d),
        e_(epilogue),
        weight_(weight),
        flipped_(flipped),
        y_(y),
        taps_(d_.kh * d_.kw),
        channels_(round_up(d_.c, kStepDepth)),
        pitch_(flat_pitch(d_)),
        pairs_((d.o + 2 * kTileLines - 1) / (2 * kTileLines)),
        weights_(pair(pairs_).weights * kTileHalves) {}

  void run(const float* x) {
    const Bands bands(d_, rows_of_a_band());
    const int64_t pixels = band_pixels(bands.rows), sums = 2 * kBlockPixels * kTileLines;
    Halves rows(pixels * channels_ * omp_get_max_threads());
    const int64_t floats = sums + round_up(channels_, 16);
    Buffer all_floats(floats * omp_get_max_threads());
#pragma omp parallel
    {
      uint16_t* mine = rows.data() + pixels * channels_ * omp_get_thread_num();
      float* my_sums = all_floats.data() + floats * omp_get_thread_num();
      tiles_begin();
#pragma omp for schedule(static)
      for (int64_t i = 0; i < pairs_ * taps_; ++i) pack(pair(i / taps_), i % taps_);
#pragma omp for schedule(dynamic)
      for (int64_t i = 0; i < bands.size(); ++i) {
        if (sr::stopping()) continue;  // the caller throws
        given_.stride > 1 ? fill_windows(x, bands[i], my_sums + sums, mine) : fill(x, bands[i], pixels, mine);
        for (int64_t p = 0; p < pairs_; ++p) convolve(pair(p), bands[i], mine, my_sums);
      }
      tiles_end();
    }
  }

 private:
  // Enough bands for the threads, but not so low that rows are rounded for many bands.
  int64_t rows_of_a_band() const {
    const int64_t least = smaller(d_.oh, 4 * d_.kh), enough = 2 * omp_get_max_threads();
    int64_t rows = smaller(d_.oh, kBandPixels / pitch_);
    while (rows > least && d_.n * ((d_.oh + rows - 1) / rows) < enough) --rows;
    return rows > least ? rows : least;
  }

  // That a band's blocks read, to the end of the last one.
  int64_t band_pixels(int64_t rows) const {
    return round_up(rows * pitch_, kBlockPixels) + (d_.kh - 1) * pitch_ + d_.kw;
  }

  Pair pair(int64_t p) const {
    Pair at{0, 0, 0, 0, 0};
    for (int64_t i = 0; i <= p; ++i) {
      at.weights += taps_ * at.steps * at.tiles;
      const int64_t first = i * 2 * kTileLines;
      if (first >= d_.o) return at;
      const int64_t last = smaller(first + 2 * kTileLines, d_.o) - 1;
      const int64_t cg = d_.c / d_.groups, og = d_.o / d_.groups;
      at.tile = 2 * i, at.tiles = last / kTileLines - at.tile + 1;
      at.first_step = first / og * cg / kStepDepth;
      at.steps = ((last / og + 1) * cg + kStepDepth - 1) / kStepDepth - at.first_step;
    }
    return at;
  }

  void pack(const Pair& p, int64_t tap) {
    for (int64_t s = 0; s < p.steps; ++s)
      for (int64_t t = 0; t < p.tiles; ++t) {
        uint16_t* to = weights_.data() + (p.weights + (tap * p.steps + s) * p.tiles + t) * kTileHalves;
        const int64_t output = (p.tile + t) * kTileLines, channel = (p.first_step + s) * kStepDepth;
        flipped_ ? pack_flipped(output, channel, tap, to) : pack_plain(output, channel, tap, to);
      }
  }

  // The 16 outputs and 32 channels from these on, as [16 pairs of channels][16 outputs][2].
  void pack_plain(int64_t output, int64_t channel, int64_t tap, uint16_t* to) const {
    const int64_t cg = d_.c / d_.groups, og = d_.o / d_.groups;
    alignas(64) uint16_t rows[kTileLines][kStepDepth] = {};
    for (int64_t i = 0; i < smaller(kTileLines, d_.o - output); ++i) {
      const int64_t first = (output + i) / og * cg;  // of the channels that it has weights for
      const int64_t begin = channel > first ? channel : first,
                    end = smaller(channel + kStepDepth, first + cg);
      if (begin >= end) continue;
      float values[kStepDepth] = {};
      std::memcpy(values + begin - channel, weight_ + ((output + i) * taps_ + tap) * cg + begin - first,
                  static_cast<size_t>(end - begin) * sizeof(float));
      store(rows[i], Lanes16::load(values));
      store(rows[i] + 16, Lanes16::load(values + 16));
    }
    transpose_pairs(rows, to);
  }

  // The same of weights [c][taps backwards][o of the group].
  void pack_flipped(int64_t output, int64_t channel, int64_t tap, uint16_t* to) const {
    const int64_t cg = d_.c / d_.groups, og = d_.o / d_.groups;
    float rows[kStepDepth][kTileLines] = {};
    for (int64_t k = 0; k < smaller(kStepDepth, d_.c - channel); ++k) {
      const int64_t first = (channel + k) / cg * og;
      const int64_t begin = output > first ? output : first, end = smaller(output + kTileLines, first + og);
      if (begin >= end) continue;
      std::memcpy(rows[k] + begin - output,
                  weight_ + ((channel + k) * taps_ + taps_ - 1 - tap) * og + begin - first,
                  static_cast<size_t>(end - begin) * sizeof(float));
    }
    for (int64_t k = 0; k < kStepDepth; k += 2)
      store_pairs(to + k * kTileLines, Lanes16::load(rows[k]), Lanes16::load(rows[k + 1]));
  }

  // The input rows of a band, rounded; zeros between, above, below and behind them.
  void fill(const float* x, const Band& band, int64_t pixels, uint16_t* to) const {
    const auto zero = [&](int64_t begin, int64_t end) {
      std::memset(to + begin * channels_, 0, static_cast<size_t>((end - begin) * channels_) * 2);
    };
    const int64_t rows = band.rows + d_.kh - 1;
    for (int64_t k = 0; k < rows; ++k) {
      const int64_t row = band.row + k - d_.pad_h, begin = k * pitch_;
      if (row < 0 || row >= d_.h) {
        zero(begin, begin + pitch_);
        continue;
      }
      zero(begin, begin + d_.pad_w);
      zero(begin + d_.pad_w + d_.w, begin + pitch_);
      const float* from = x + (band.n * d_.h + row) * d_.w * d_.x_pitch;
      uint16_t* pixel = to + (begin + d_.pad_w) * channels_;
      for (int64_t j = 0; j < d_.w; ++j, from += d_.x_pitch, pixel += channels_)
        for (int64_t k16 = 0; k16 < channels_; k16 += 16)
          store(pixel + k16, Lanes16::load_first(from + k16, d_.c - k16));
    }
    zero(rows * pitch_, pixels);
  }

  // The windows of a band's outputs, rounded; a block's last pixels may be anything.
  void fill_windows(const float* x, const Band& band, float* window, uint16_t* to) const {
    for (int64_t i = band.row; i < band.row + band.rows; ++i)
      for (int64_t j = 0; j < d_.w; ++j, to += channels_) {
        gather_window(given_, x, band.n, i, j, window);
        for (int64_t k = 0; k < channels_; k += 16) store(to + k, Lanes16::load_first(window + k, d_.c - k));
      }
  }

  void convolve(const Pair& p, const Band& band, const uint16_t* rows, float* sums) const {
    const int64_t pixels = (band.rows - 1) * pitch_ + d_.ow;
    for (int64_t block = 0; block < pixels; block += kBlockPixels) {
      ask_for_results(p, band, block);
      p.tiles == 2 ? sum<2>(p, rows + block * channels_, sums) : sum<1>(p, rows + block * channels_, sums);
      for (int64_t t = 0; t < p.tiles; ++t)
        finish((p.tile + t) * kTileLines, band, block, sums + t * kBlockPixels * kTileLines);
    }
  }

  // The cache lines that finish() will write; they come while the tiles are multiplied.
  void ask_for_results(const Pair& p, const Band& band, int64_t block) const {
    const int64_t first = (band.n * d_.oh + band.row) * d_.ow, last = first + band.rows * d_.ow;
    int64_t pixel = first + block / pitch_ * d_.ow + smaller(block % pitch_, d_.ow);
    for (int64_t k = 0; k < kBlockPixels && pixel < last; ++k, ++pixel)
      for (int64_t t = 0; t < p.tiles; ++t)
        __builtin_prefetch(y_ + pixel * d_.y_pitch + (p.tile + t) * kTileLines, 1);
  }

  // sums[N tiles][32 pixels][16 outputs]
  template <int N>
  void sum(const Pair& p, const uint16_t* first, float* sums) const {
    constexpr int64_t kHalf = kTileSums;
    const int64_t line = channels_ * 2;
    const uint16_t* w = const_cast<Halves&>(weights_).data() + p.weights * kTileHalves;
    tile_zero<0>();
    tile_zero<1>();
    if constexpr (N == 2) {
      tile_zero<2>();
      tile_zero<3>();
    }
    for (int64_t u = 0; u < d_.kh; ++u)
      for (int64_t v = 0; v < d_.kw; ++v)
        for (int64_t s = p.first_step; s < p.first_step + p.steps; ++s, w += N * kTileHalves) {
          const uint16_t* a = first + (u * pitch_ + v) * channels_ + s * kStepDepth;
          tile_load<4>(a, line);
          tile_load<6>(w, kTileRowBytes);
          tile_dot<0, 4, 6>();
          tile_load<5>(a + kTileLines * channels_, line);
          tile_dot<1, 5, 6>();
          if constexpr (N == 2) {
            tile_load<7>(w + kTileHalves, kTileRowBytes);
            tile_dot<2, 4, 7>();
            tile_dot<3, 5, 7>();
          }
        }
    tile_store<0>(sums, kTileRowBytes);
    tile_store<1>(sums + kHalf, kTileRowBytes);
    if constexpr (N == 2) {
      tile_store<2>(sums + 2 * kHalf, kTileRowBytes);
      tile_store<3>(sums + 3 * kHalf, kTileRowBytes);
    }
  }

  // Of the block from flat pixel `block` on, what lies in an image, row by row.
  void finish(int64_t output, const Band& band, int64_t block, const float* sums) const {
    const int64_t outputs = smaller(kTileLines, d_.o - output);
    const Lanes16 bias = e_.bias ? Lanes16::load_first(e_.bias + output, outputs) : Lanes16::zero();
    const bool adds = e_.added[0].data != nullptr;
    for (int64_t p = 0; p < kBlockPixels;) {
      const int64_t i = (block + p) / pitch_, j = (block + p) % pitch_;
      if (i >= band.rows) return;
      const int64_t whole = smaller(kBlockPixels - p, pitch_ - j), inside = smaller(whole, d_.ow - j);
      const int64_t pixel = (band.n * d_.oh + band.row + i) * d_.ow + j;
      for (int64_t k = 0; k < inside; ++k) {
        const Lanes16 v = (Lanes16::load(sums + (p + k) * kTileLines) + bias).leaky(e_.leak);
        float* to = y_ + (pixel + k) * d_.y_pitch + output;
        if (outputs == kTileLines && !adds)
          v.store(to);
        else
          finish_slowly(v, pixel + k, output, outputs, to);
      }
      p += whole;
    }
  }

  void finish_slowly(Lanes16 v, int64_t pixel, int64_t output, int64_t outputs, float* to) const {
    float values[kTileLines];
    v.store(values);
    int64_t begin = 0;
    for (const auto& added : e_.added) {
      if (!added.data) break;
      const float* from = added.data + pixel * added.pitch - begin;
      for (int64_t k = 0; k < outputs; ++k)
        if (output + k >= begin && output + k < begin + added.c) values[k] += from[output + k];
      begin += added.c;
    }
    std::memcpy(to, values, static_cast<size_t>(outputs) * sizeof(float));
  }

  const ConvDims& given_;
  ConvDims d_;  // of which this is a convolution at stride 1
  const ConvEpilogue& e_;
  const float* weight_;
  bool flipped_;
  float* y_;
  int64_t taps_, channels_, pitch_, pairs_;
  Halves weights_;  // [pairs][taps][steps][tiles]
};

void convolve(const ConvDims& d, const float* x, const float* weight, bool flipped, const ConvEpilogue& e,
              float* y) {
  Convolution(d, weight, flipped, e, y).run(x);
}

}  // namespace

namespace sr::cpu::tiles::SR_SIMD {
extern const Bf16Kernels kBf16Kernels{kTilesCompiledFor, false, convolve, conv2d_grad_weight_bf16};
}  // namespace sr::cpu::tiles::SR_SIMD
