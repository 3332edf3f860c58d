// What can be written as TIFF, and what cannot.
#pragma once

#include <string>

#include "io/tiff/output/block_assembler.h"
#include "io/tiff/output/writer.h"

namespace sr {

/// The blocks of a picture that is written that way.
BlockGrid grid_of(const TiffInfo& info, const TiffWriterOptions& options);

/// Errors: usage, unsupported, limit, as TiffWriter has them; `path` is the name that they show.
void check_request(const std::string& path, const TiffInfo& info, const TiffWriterOptions& options);

}  // namespace sr
