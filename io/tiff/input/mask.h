// Where the mask of a picture is, as GDAL finds it: on a page of the file, or in NAME.tif.msk beside it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "io/tiff/file.h"
#include "io/tiff/input/layout.h"

namespace sr {

struct MaskPlace {
  std::string path;
  uint64_t directory = 0;  ///< offset of the page in that file; 0: its first
};

/// Whether NewSubfileType says that the page is a mask of the picture (not of an overview).
bool is_mask_kind(uint32_t subfile_type);

/// Why the page at which `file` stands, said to be a mask, is none for GDAL; "" if it is one. Errors:
/// unsupported (a mask for each band).
std::string no_mask_because(TiffFile& file, const TiffLayout& picture);

/// The mask in the file beside `tiff_path`, if GDAL uses it; else a note if there is such a file. Errors:
/// unsupported (a mask for each band, or of other than 8-bit samples).
std::optional<MaskPlace> mask_beside(const std::string& tiff_path, const TiffLayout& picture,
                                     std::vector<std::string>& notes);

}  // namespace sr
