// Compiled without contraction: every product and sum is rounded by itself, as on the CPU.
#include "scene/tile/tile_kernels.h"

#include <cmath>
#include <limits>
#include <type_traits>

#include "scene/tile/tile.h"
#include "tensor/cuda/runs.cuh"
#include "tensor/ops/bicubic.cuh"

namespace sr::cuda {
namespace {

constexpr int kThreads = 256, kSamples = 4;  // samples that a thread takes

template <class S>
struct alignas(kSamples * sizeof(S)) Samples {
  S value[kSamples];
};

// The form of the sample's band, and of those that follow it.
class Forms {
 public:
  GPU_FN Forms(const BandForm* forms, int bands, int64_t sample)
      : forms_(forms), bands_(bands), band_(bands == 1 ? 0 : static_cast<int>(sample % bands)) {}

  template <class S>
  GPU_FN float normalized(S sample) {
    const BandForm& form = forms_[band_];
    band_ = band_ + 1 == bands_ ? 0 : band_ + 1;
    return static_cast<float>((static_cast<double>(sample) - form.low) * form.per_width);
  }

 private:
  const BandForm* forms_;
  int bands_, band_;
};

// ptxas: normalize_samples_kernel registers<=40 shared<=0
template <class S, int kVector>
__global__ void __launch_bounds__(kThreads)
    normalize_samples_kernel(int64_t count, int bands, const BandForm* forms, const S* samples,
                             float* values) {
  const int64_t step = static_cast<int64_t>(gridDim.x) * kThreads * kVector;
  for (int64_t i = (static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x) * kVector; i < count;
       i += step) {
    Forms next(forms, bands, i);
    Samples<float> v{};
    if (kVector == kSamples && i + kSamples <= count) {
      const Samples<S> s = *reinterpret_cast<const Samples<S>*>(samples + i);
#pragma unroll
      for (int k = 0; k < kSamples; ++k) v.value[k] = next.normalized(s.value[k]);
      *reinterpret_cast<Samples<float>*>(values + i) = v;
    } else {
      for (int64_t k = i; k < i + kVector && k < count; ++k) values[k] = next.normalized(samples[k]);
    }
  }
}

GPU_FN float limited(float x) {
  return x < kLowestInput ? kLowestInput : kHighestInput < x ? kHighestInput : x;
}

// ptxas: luma_input_kernel registers<=40 shared<=0
template <class T>
__global__ void __launch_bounds__(kThreads)
    luma_input_kernel(int64_t pixels, const float* values, int64_t pitch, int red, int green, int blue,
                      LumaCoefficients luma, float mean, T* input) {
  const int64_t step = static_cast<int64_t>(gridDim.x) * kThreads;
  for (int64_t p = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x; p < pixels; p += step) {
    const float* const v = values + p * pitch;
    const auto y =
        static_cast<float>(luma.offset + luma.r * static_cast<double>(v[red]) +
                           luma.g * static_cast<double>(v[green]) + luma.b * static_cast<double>(v[blue]));
    input[p] = gpu::from_float<T>(limited(y) - mean);
  }
}

// ptxas: channels_input_kernel registers<=40 shared<=0
template <class T>
__global__ void __launch_bounds__(kRunThreads)
    channels_input_kernel(Runs runs, const float* values, int64_t pitch, const float* means, T* input) {
  for_each_vector<1>(runs, [&](int64_t p, int k, int) {
    input[p * runs.length + k] = gpu::from_float<T>(limited(values[p * pitch + k]) - means[k]);
  });
}

template <class S>
constexpr S kLowest = std::numeric_limits<S>::lowest();
template <class S>
constexpr S kHighest = std::numeric_limits<S>::max();

// As to_sample of io/raster.h.
template <class S>
GPU_FN S nearest_sample(double value) {
  const auto low = static_cast<double>(kLowest<S>), high = static_cast<double>(kHighest<S>);
  if constexpr (!std::is_floating_point_v<S>) value = round(value);
  return static_cast<S>(value < low ? low : high < value ? high : value);
}

// As NodataRange, whose functions are the host's.
struct Avoided {
  double nodata, below, above;
  bool up, down;  // whether there are samples above and below
};

// The sample, or if it is hidden the one beside that in the direction of the exact value.
template <class S>
GPU_FN S avoiding(S sample, const Avoided& a, double exact) {
  const auto value = static_cast<double>(sample);
  if (!(a.below < value && value < a.above)) return sample;
  return static_cast<S>(!a.down || (a.up && exact > a.nodata) ? a.above : a.below);
}

Avoided avoided_of(const std::optional<NodataRange>& range) {
  constexpr double kNone = NodataRange::kNone;
  if (!range) return {0, kNone, kNone, false, false};
  return {range->nodata, range->below, range->above, range->above != kNone, range->below != -kNone};
}

struct CoreShape {
  int h, w, y, x, core_h, core_w, factor;
};

GPU_FN bool is_finite(float x) {
  return fabsf(x) <= kHighest<float>;
}

// What the network adds to one band of a fine pixel of the window.
template <class T>
GPU_FN float residual_of(const Residual& residual, const FinishedSamples& form, int64_t pixel, int band) {
  const int colour = form.alpha_band >= 0 && band > form.alpha_band ? band - 1 : band;
  const int channel = residual.shared ? 0 : colour;
  const float added =
      gpu::to_float(static_cast<const T*>(residual.data)[pixel * residual.pitch + channel * residual.step]);
  if (!is_finite(added)) atomicMax(residual.overflow, 1);
  return residual.gain * (added + residual.offset[channel]);
}

// A thread for each fine pixel: its bands share where their samples lie.
// ptxas: finish_samples_kernel registers<=64 shared<=0
template <class S, class T>
__global__ void __launch_bounds__(kPictureX* kPictureY)
    finish_samples_kernel(CoreShape s, const float* weights, const float* values,
                          const __grid_constant__ Residual residual,
                          const __grid_constant__ FinishedSamples form,
                          const __grid_constant__ Avoided avoided, S* samples) {
  const int width = s.core_w * s.factor;
  for_each_in_rows(static_cast<int64_t>(s.core_h) * s.factor, width, [&](int64_t core_row, int core_column) {
    const int row = static_cast<int>(core_row) + s.y * s.factor, column = core_column + s.x * s.factor;
    const EnlargedPixel bicubic(form.bands, s.h, s.w, s.factor, weights, row, column);
    S* const to = samples + (core_row * width + core_column) * form.bands;
    for (int band = 0; band < form.bands; ++band) {
      float fine = bicubic(values + band);
      const BandForm& own = form.forms[band];
      if (residual.data != nullptr && own.residual)
        fine = fine + residual_of<T>(residual, form, row * residual.width + column, band);
      const double exact = own.low + own.width * static_cast<double>(fine);
      const double value = form.top < exact ? form.top : exact;
      S sample = nearest_sample<S>(value);
      if (band != form.alpha_band) sample = avoiding(sample, avoided, value);
      to[band] = sample;
    }
  });
}

dim3 grid_of(const Queue& queue, int64_t threads) {
  const int64_t blocks = (threads + kThreads - 1) / kThreads;
  return dim3(static_cast<unsigned>(blocks < queue.blocks ? blocks : queue.blocks));
}

template <class S, class T>
void launch_finish(const Queue& queue, const CoreShape& s, const float* weights, const float* values,
                   const Residual& residual, const FinishedSamples& form, S* samples) {
  const int64_t rows = static_cast<int64_t>(s.core_h) * s.factor,
                width = static_cast<int64_t>(s.core_w) * s.factor;
  gpu::launch(finish_samples_kernel<S, T>, picture_grid(queue, rows, width), dim3(kPictureX, kPictureY), 0,
              queue.stream, s, weights, values, residual, form, avoided_of(form.avoided), samples);
}

}  // namespace

void normalize_samples(const Queue& queue, SampleType type, int64_t pixels, int bands, const BandForm* forms,
                       const void* samples, float* values) {
  const int64_t count = pixels * bands;
  if (count == 0) return;
  with_sample_type(type, [&](auto zero) {
    using S = decltype(zero);
    const bool whole = reinterpret_cast<uintptr_t>(samples) % (kSamples * sizeof(S)) == 0 &&
                       reinterpret_cast<uintptr_t>(values) % 16 == 0;
    gpu::launch(whole ? normalize_samples_kernel<S, kSamples> : normalize_samples_kernel<S, 1>,
                grid_of(queue, whole ? (count + kSamples - 1) / kSamples : count), dim3(kThreads), 0,
                queue.stream, count, bands, forms, static_cast<const S*>(samples), values);
  });
}

void luma_input(const Queue& queue, int64_t pixels, ConstView values, const int (&bands)[3],
                const LumaCoefficients& luma, float mean, DType dtype, void* input) {
  if (pixels == 0) return;
  with_storage(dtype, [&](auto zero) {
    using T = decltype(zero);
    gpu::launch(luma_input_kernel<T>, grid_of(queue, pixels), dim3(kThreads), 0, queue.stream, pixels,
                as<float>(values), values.pitch, bands[0], bands[1], bands[2], luma, mean,
                static_cast<T*>(input));
  });
}

void channels_input(const Queue& queue, int64_t pixels, int64_t c, ConstView values, const float* means,
                    DType dtype, void* input) {
  with_storage(dtype, [&](auto zero) {
    using T = decltype(zero);
    launch_runs<1>(queue, channels_input_kernel<T>, pixel_runs(pixels, c), 1, as<float>(values), values.pitch,
                   means, static_cast<T*>(input));
  });
}

void finish_samples(const Queue& queue, const Window& read, const Window& core, int factor,
                    const float* weights, const float* values, const Residual& residual,
                    const FinishedSamples& form, void* samples) {
  if (core.pixels() == 0) return;
  const CoreShape s{static_cast<int>(read.h),
                    static_cast<int>(read.w),
                    static_cast<int>(core.y - read.y),
                    static_cast<int>(core.x - read.x),
                    static_cast<int>(core.h),
                    static_cast<int>(core.w),
                    factor};
  with_sample_type(form.type, [&](auto sample) {
    with_storage(residual.dtype, [&](auto storage) {
      launch_finish<decltype(sample), decltype(storage)>(queue, s, weights, values, residual, form,
                                                         static_cast<decltype(sample)*>(samples));
    });
  });
}

}  // namespace sr::cuda
