// A picture whose rows lie in several TIFFs, as GDAL's virtual format (VRT) shows it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "io/tiff/input/reader.h"

namespace sr {

/// Rows of the picture that a TIFF of the whole picture's size has.
struct VrtPart {
  std::string file;
  int64_t first = 0, rows = 0;
};

/// "out/a.vrt" of "out/a.tif"
std::string vrt_name(const std::string& result);

/// The text of a VRT beside the parts: pixels, mask, coordinate system (the first part's), grid or control
/// points, RPC, no-data, meaning and colours of bands, GDAL's metadata. `block`: the side of the parts'
/// blocks. Errors: those of TiffFile.
std::string vrt_of(const TiffInfo& info, int64_t block, const std::vector<VrtPart>& parts);

}  // namespace sr
