// The tags that TiffWriter gives to its pages.
#pragma once

#include <string>

#include "io/tiff/file.h"
#include "io/tiff/output/writer.h"

namespace sr {

/// A page of a result: the picture or its mask (one bit, 1 = valid), as it is or shrunk.
struct PageKind {
  bool mask = false, overview = false;
};

/// Sets size, tiling, sample type, compression, colour and all SceneTags (of overviews: no-data alone) of the
/// current directory. info.width and height are the page's. `path` is the name that errors show. Errors: io,
/// unsupported (compression that libtiff was built without).
void set_page_tags(TiffFile& file, const std::string& path, const TiffInfo& info,
                   const TiffWriterOptions& options, PageKind kind);

/// Throws if a call of libtiff was not good or has reported an error: io, with the system's reason or
/// libtiff's.
void check_written(TiffFile& file, const std::string& path, bool good, const char* action);

}  // namespace sr
