// What a scene's samples decide before it is computed: the value ranges of its bands, bands that are one
// value all over, the largest value that there can be.
#pragma once

#include <optional>
#include <string>

#include "idn/tiling.h"
#include "scene/scene.h"
#include "scene/value_range.h"

namespace sr {

/// Why samples that a meter saw do not fit the ranges that it expected (one for all bands or one for each);
/// empty if they do. They do not if more than half of a band lie where the network does not see them, or
/// beyond a range over whose fourfold width they spread, or if a band takes less than a thousandth of its
/// range, or every band less than a thirty-second: docs/design.md says why.
std::string misfit(const RangeMeter& meter, const ValueRanges& expected, const std::vector<int>& bands);

/// Ranges of the bands without alpha, in their order, and where they come from, for people ("": the sample
/// type).
struct KnownRanges {
  ValueRanges ranges;
  std::string source;
};

/// Those that need not be measured over the scene: as options say, else by the sample type, else as recorded
/// with the model. `info` is that of the whole scene. Errors: usage (ranges for another number of bands).
std::optional<KnownRanges> known_ranges(const SceneSettings& settings, const TiffInfo& info,
                                        const Model* model, const SceneOptions& options);

/// With alpha's own, in the place of its band.
ValueRanges with_alpha(const SceneSettings& settings, ValueRanges ranges, SampleType type);

/// Sets `ranges`, `constant_bands` and `top` of the scene's settings, and returns where the ranges come from.
/// Reads the scene once where ranges are measured, a million pixels of it where they are recorded, and else
/// until no band is one value. `pieces` is how it is read. Errors: those of TiffReader; usage (also: recorded
/// ranges that do not fit).
std::string choose_ranges(SceneSettings& settings, TiffReader& reader, const Model* model,
                          const SceneOptions& options, TileGrid pieces, const SceneEvents& events);

}  // namespace sr
