// A picture from a source of one's own to a sink of one's own, window by window: the pipeline of
// upscale_scene() where neither is a file. This is the way in for other programs.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <vector>

#include "idn/model.h"
#include "io/raster.h"
#include "scene/tile/tile.h"

namespace sr {

/// What a source's picture is, before any of it is read.
struct SourcePicture {
  int64_t width = 0;                 ///< in pixels
  int64_t height = 0;                ///< in pixels
  int bands = 1;                     ///< samples of a pixel, alpha among them
  SampleType type = SampleType::u8;  ///< of all bands
  /// Of unsigned samples: 12 where they are 0..4095. No result is larger than these bits hold. 0: all bits of
  /// the type.
  int significant_bits = 0;
  bool has_alpha = false;  ///< the last band: it hides pixels where it is 0, colours are not multiplied by it
  std::optional<double> nodata = {};  ///< the sample that says that there is no picture
  bool has_mask = false;              ///< windows come with Raster::mask
};

/// How a picture is enlarged.
struct WindowOptions {
  /// Sample values that the network sees as 0 and 1, one pair or one for each band without alpha. None: what
  /// the type or its bits hold up to 15 of them; else what was recorded with the weights.
  ValueRanges value_ranges = {};
  /// None: joint for weights of several channels, luma for three bands of u8 (beside alpha), else per_band.
  std::optional<ColourMode> mode = {};
  bool self_ensemble = false;  ///< the mean of eight flips and rotations, eight times the work
  /// Of the whole program but for what source and sink keep for themselves.
  int64_t max_memory_bytes = int64_t{2} << 30;
  int num_tiles_w = 0;         ///< windows side by side, 0 = as few as the memory allows
  int num_tiles_h = 0;         ///< windows one below the other
  std::vector<int> gpus = {};  ///< numbers of the GPUs that compute; none: the processor
  /// Once a stop is requested, by any thread, the run ends before the next window with Error::Kind::stopped.
  /// stop_when() ends it within a window, with all else that the process computes.
  std::stop_token stop = {};
};

/// The caller's side of the pipeline. The three run on three threads at the same time, each on the same one
/// from beginning to end. An exception of any of them ends the run and comes out of upscale_windows().
struct WindowStreams {
  /// Returns the samples of a window of the picture, in its type and number of bands. Windows come row by row
  /// from the upper left, each once. They overlap: neighbours share their margins.
  std::function<Raster(const Window&)> read;
  /// Takes samples of the result; `window` counts its pixels, factor times the picture's. Windows come in the
  /// order of those that were read, do not overlap, and cover the result. With a mask if the source has one.
  std::function<void(const Raster&)> write;
  /// Called by the caller's own thread after each window that was computed, with the source's pixels that are
  /// done and how many there are.
  std::function<void(int64_t done, int64_t all)> progress = [](int64_t, int64_t) {};
};

/// Enlarges a picture by the model's factor. The result does not depend on windows, memory or threads: it is
/// what the network makes of the whole picture, to the bit, and what upscale_scene() writes for the same
/// samples and value ranges, but for bands of one value all over: upscale_scene() looks for them and leaves
/// them as they are. Returns when the last window was written. Errors: usage (picture, options and model do
/// not fit each other, a value range is needed, or a window is not what was asked for), limit (too little
/// memory), device, stopped; those of the streams.
void upscale_windows(const Model& model, const SourcePicture& picture, const WindowStreams& streams,
                     const WindowOptions& options = {});

}  // namespace sr
