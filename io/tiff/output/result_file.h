// The directories of a result whose blocks are stored, and a Cloud Optimized GeoTIFF made of both.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "io/tiff/output/block_store.h"
#include "io/tiff/output/set_tags.h"

namespace sr {

/// Room for the header of either kind of TIFF.
constexpr int64_t kHeaderBytes = 16;

/// Where the first block lies in the file: behind the header; of a COG, whose blocks wait in a file of their
/// own, a page of the disk from its begin, for what is discarded gives back only the whole pages within it.
constexpr int64_t first_block(bool cog) {
  return cog ? 4096 : kHeaderBytes;
}

struct ResultPage {
  TiffInfo info;  ///< of this page: an overview has its own size
  PageKind kind;
  size_t stored = 0;  ///< its number in the BlockStore
};

/// What a result is made of: its pages in the order of their directories.
struct ResultFile {
  std::string path;  ///< that errors show
  TiffWriterOptions options;
  std::vector<uint8_t> jpeg_tables;
  std::vector<ResultPage> pages;
};

/// Whether blocks of so many bytes in all, and the tables that say where they are, may outgrow classic TIFF.
bool needs_big_tiff(int64_t bytes, int64_t blocks);

/// Makes of `file`, in which the blocks lie from first_block() on, a TIFF: directories behind the blocks.
/// Blocks that are not there make it a sparse one. Errors: io.
void add_directories(const std::string& file, const ResultFile& result, const BlockStore& store);

/// Writes a Cloud Optimized GeoTIFF to `file` from blocks stored elsewhere: header, what GDAL calls
/// structural metadata, all directories, then the blocks, those of the smallest overview first, each mask
/// block behind the picture's. Errors: io.
void write_cog(const std::string& file, const ResultFile& result, const BlockStore& store);

/// Memory that write_cog takes for blocks of so many bytes, beside the lists of blocks.
int64_t write_cog_bytes(int64_t block_bytes);

}  // namespace sr
