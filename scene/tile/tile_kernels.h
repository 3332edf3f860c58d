// The two ends of upscale_tile on a CUDA device: samples to the network's input, its output to samples. With
// the CPU's bits, given the CPU's network.
#pragma once

#include <optional>

#include "idn/model.h"
#include "io/raster.h"
#include "scene/tile/nodata_range.h"
#include "tensor/cuda/view.h"

namespace sr::cuda {

/// What is done with one band. Lists of them, one for each band, lie in device memory.
struct BandForm {
  double low = 0, width = 1, per_width = 1;  ///< of its range; 1 / width
  bool residual = true;                      ///< the network adds to it
};

/// values[i] = (samples[i] - low) / width for the pixels' interleaved samples, computed in double.
void normalize_samples(const Queue&, SampleType, int64_t pixels, int bands, const BandForm* forms,
                       const void* samples, float* values);

/// Luma of three bands of `values` (its pitch tells how many there are), limited as below, minus `mean`; one
/// channel stored as `dtype`.
void luma_input(const Queue&, int64_t pixels, ConstView values, const int (&bands)[3],
                const LumaCoefficients&, float mean, DType dtype, void* input);

/// input[p, k] = values[p, k] limited to one range's width around the range, minus means[k] (in device
/// memory), for c channels from where `values` begins; contiguous, stored as `dtype`.
void channels_input(const Queue&, int64_t pixels, int64_t c, ConstView values, const float* means,
                    DType dtype, void* input);

/// What the network adds: channel k of fine pixel (y, x) of the read window lies at
/// data[(y * width + x) * pitch + k * step]; offset[k] (in device memory) is added to it.
struct Residual {
  const void* data = nullptr;  ///< null: nothing is added
  DType dtype = DType::f32;
  int64_t width = 0, pitch = 1, step = 1;
  const float* offset = nullptr;
  float gain = 1;
  bool shared = false;      ///< channel 0 is for all bands (luma); else colour band number k has channel k
  int* overflow = nullptr;  ///< in device memory; becomes 1 if some of `data` that is added is not finite
};

/// How fine values become samples.
struct FinishedSamples {
  SampleType type = SampleType::u8;
  int bands = 1;
  int alpha_band = -1;                 ///< may equal nodata; -1: none
  const BandForm* forms = nullptr;     ///< of the bands, in device memory
  double top = 0;                      ///< results that would be above become this
  std::optional<NodataRange> avoided;  ///< results that it hides take the value beside it
};

/// Fine samples of the core of a window of normalised values: bicubic enlargement plus residual, the value
/// range undone, rounded half away from zero and clamped to the type. `values` has read.w x read.h pixels
/// without gaps, `core` lies in it with two pixels around it or at its edge. The result has core.h * factor
/// rows of core.w * factor pixels without gaps.
void finish_samples(const Queue&, const Window& read, const Window& core, int factor, const float* weights,
                    const float* values, const Residual& residual, const FinishedSamples& form,
                    void* samples);

}  // namespace sr::cuda
