// The tags that TiffWriter gives to its pages.
#pragma once

#include <string>

#include "io/tiff/file.h"
#include "io/tiff/writer.h"

namespace sr {

/// Sets size, tiling, sample type, compression, colour and all SceneTags of the current directory. `path` is
/// the name that errors show. Errors: io, unsupported (compression that libtiff was built without).
void set_picture_tags(TiffFile& file, const std::string& path, const TiffInfo& info,
                      const TiffWriterOptions& options);

/// Those of a mask page for that picture: one bit, 1 = valid.
void set_mask_tags(TiffFile& file, const std::string& path, const TiffInfo& info,
                   const TiffWriterOptions& options);

/// Throws if a call of libtiff was not good or has reported an error: io, with the system's reason or
/// libtiff's.
void check_written(TiffFile& file, const std::string& path, bool good, const char* action);

}  // namespace sr
