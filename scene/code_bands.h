// Signs that samples are codes (classes, flags, numbers of something) rather than a picture.
#pragma once

#include <string>
#include <vector>

#include "io/tiff/input/reader.h"
#include "scene/tile/copied_bands.h"

namespace sr {

/// Why a palette image looks like a map of classes, for people: it has a nodata value, its band has texts,
/// the file beside it names categories, or it uses few of its colours. "" if it looks like a picture, or has
/// no palette. Looks at a few windows. Errors: those of TiffReader.
std::string sign_of_classes(const std::string& path, const TiffLimits& limits);

/// A line for people where bands that are to be enlarged as a picture look like codes by name (SCL, QA, mask,
/// cloud, ...) or by their samples: few values, most beside an equal one, and steps that leave values out or
/// are far wider than others. It looks at a few windows, whatever the size of the scene. "" if there is
/// nothing to say.
std::string hint_of_codes(TiffReader& reader, const BandList& copied);

}  // namespace sr
