// The image model: samples of a scene to the network's input, its output to samples on the fine grid.
#pragma once

#include <limits>
#include <optional>
#include <vector>

#include "idn/model.h"
#include "idn/tiling.h"
#include "io/tiff/input/reader.h"
#include "scene/tile/copied_bands.h"
#include "scene/tile/nodata.h"
#include "scene/tile/spare_samples.h"

namespace sr {

/// The network sees values within one width of the range around it: a stray 1e38 must not become infinite
/// inside and spoil its neighbours. The bicubic part is not limited.
constexpr float kLowestInput = -1;
constexpr float kHighestInput = 2;  ///< likewise

/// How bands go through the network.
enum class ColourMode {
  luma,      ///< the net works on Y of the first three bands
  per_band,  ///< every band goes through a one-channel net by itself
  joint      ///< a net for N channels takes the N bands together
};

/// "luma", "per_band" or "joint".
const char* name_of(ColourMode mode);

/// How the samples of one scene meet a model.
struct SceneSettings {
  int factor = 2;                          ///< by which it is enlarged
  ColourMode mode = ColourMode::per_band;  ///< how bands go through the network
  int bands = 1;                           ///< of the picture: those that are copied are not among them
  BandList copied_bands;  ///< among all bands of the file (TileComputer; upscale_tile does not see them)
  std::optional<int> alpha_band;      ///< enlarged bicubically; where it is zero there is no picture
  std::optional<double> nodata;       ///< see HoleRule
  std::vector<double> nodata_values;  ///< see HoleRule
  double opaque = 0;                  ///< see HoleRule
  bool may_have_holes =
      false;  ///< nodata, mask, alpha or a type with NaN: the margin grows by the fill's reach
  ValueRanges ranges = {{}};        ///< of the bands, alpha among them; or one for all
  std::vector<int> constant_bands;  ///< one value all over: the network adds nothing to them
  double top = std::numeric_limits<double>::infinity();  ///< the input's samples cannot hold more
  bool on_gpu = false;                                   ///< the network looks less far there (margin_for())
  bool self_ensemble = false;  ///< the network's mean for the eight flips and rotations
  bool spread = false;         ///< and their deviation (self_ensemble only)

  /// What hides samples.
  HoleRule hole_rule() const { return {nodata, nodata_values, alpha_band, opaque}; }

  /// Whether the network's residual is added to the band.
  bool gets_residual(int band) const;
  /// Bands that the net (or luma) takes part in, in order, and their ranges.
  std::vector<int> colour_bands() const;
  ValueRanges colour_ranges() const;  ///< of colour_bands()
};

/// Chooses the mode (luma for three-band 8-bit RGB and a one-channel net, joint for a net of as many channels
/// as the scene has colour bands, else per band) unless `mode` is given. `ranges` is what the caller decided.
/// `info` is that of the picture, without bands that are copied; where it has no band there is nothing to
/// choose. Errors: usage (the net's channels, the mode and the bands contradict each other).
SceneSettings scene_settings(const TiffInfo& info, const NetworkOptions& network, const ValueRanges& ranges,
                             std::optional<ColourMode> mode = {});

/// What a tile's core needs around it: as far as the network looks where it runs (the bicubic's two pixels
/// lie within), and the fill's reach where the scene may have holes.
Reach margin_for(const Model* model, const SceneSettings& settings);

/// Fine samples of one tile.
struct FineTile {
  Raster result;                  ///< core * factor; empty if there is no model
  std::optional<Raster> bicubic;  ///< the same with the bicubic part alone
  std::optional<Raster> spread;   ///< where it is asked for: spread.h
};

/// Computes the core of a tile from the samples of its read window. Without a model only the bicubic part.
/// A fine value depends only on samples within margin_for() of it: any tiling gives the same bits. Results
/// lie in samples of `spare`, if there is any.
FineTile upscale_tile(const Model* model, const SceneSettings& settings, const Raster& window,
                      const Tile& tile, bool with_bicubic, SpareSamples* spare = nullptr);

/// Samples on the network's scale, (sample - low) / (high - low) with the band's range, as [1, h, w, bands].
Tensor normalized(const Raster& raster, const ValueRanges& ranges);

/// The same, but colours before they were multiplied by alpha, and what is marked filled. For windows with
/// marks or premultiplied colours, on every device.
Tensor prepared(const Raster& raster, const SceneSettings& settings, const Invalid& invalid);

/// What is left to do to the fine samples of such a window, or where there are NODATA_VALUES.
void complete(Raster& fine, const Raster& window, const SceneSettings& settings, const Invalid& invalid);

/// What holes become that are deeper than filling reaches.
constexpr float kFillBeyond = 0.5f;

/// Bytes that upscale_tile needs at most beside the samples that go in and out.
int64_t working_bytes(const Model* model, const SceneSettings& settings, const Tile& tile);

}  // namespace sr
