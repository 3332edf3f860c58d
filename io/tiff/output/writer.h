// TIFF files written window by window: tiled, compressed, under the final name only when complete.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "io/raster.h"
#include "io/tiff/input/reader.h"

namespace sr {

class StoredPart;

/// lzw, deflate and zstd with predictor 2 (integers) or 3 (floats).
enum class Compression { none, lzw, deflate, zstd, jpeg, lerc };

/// "deflate", ...
const char* name_of(Compression compression);

/// How a file is laid out and compressed.
struct TiffWriterOptions {
  Compression compression = Compression::deflate;  ///< of all blocks
  int block = 256;                                 ///< side of a TIFF tile, multiple of 16
  int threads = 1;       ///< that compress the blocks of a window; the file is the same for any number
  bool cog = false;      ///< overviews, and all directories before the data: a Cloud Optimized GeoTIFF
  bool by_band = false;  ///< each band in tiles of its own (INTERLEAVE=BAND), not all of a pixel together
  std::optional<int> level = {};  ///< of deflate (1 to 9) and zstd (1 to 22); see level_of()
  int quality = 90;               ///< of JPEG, 1 to 100
  double max_z_error = 0;         ///< by which LERC may change a sample
  /// A line that tells what is written from anything else. Not empty: what an earlier run with the same line
  /// has left of the file is gone on with, unless it is to be written anew.
  std::string job = {};
  bool anew = false;                   ///< what an earlier run has left is not gone on with
  bool predictor = true;               ///< 2 (integers) or 3 (floats), of lzw, deflate and zstd
  std::vector<int> copied_bands = {};  ///< classes: overviews take a sample of the picture, never a mean
};

/// The level of deflate or zstd, 5 where none is given. Those that libtiff and GDAL take, 6 for deflate and 9
/// for zstd, make files 0 to 1.8 and 0.2 to 2.5 % smaller in about twice the time (bench/results/NOTES.md).
int level_of(const TiffWriterOptions& options);

/// Writes a page of `info` (size, bands, sample type, colour, tags), a mask page beside it if info.has_mask,
/// and for a COG overviews of both (see overview.h). Windows may come in any order and size; every block is
/// compressed and stored once, when its last pixel has come. BigTIFF if the size asks for it. The file is
/// PATH.part until finish() renames it; destroying an unfinished writer removes it. Blocks lie in a plain
/// file in the order in which they became complete: the pixels, not the bytes of the file, are independent of
/// the order of the windows. Those of a COG wait in PATH.blocks.part, so that its bytes are independent of it
/// too, and PATH.part is but a name that is taken until it is made of them. What of an edge block lies beyond
/// the picture repeats its edge. Errors: io (cannot create, disk full), usage (window outside, or a pixel
/// written twice or never, samples of another type), unsupported (a palette without colours, or of other than
/// one band of u8 or u16, codec missing in libtiff or not made for such samples, no-data in a codec that
/// would change it), limit (more than 2^26 blocks, or of more than 2^30 bytes). Not safe for use by two
/// threads at once.
class TiffWriter {
 public:
  /// Creates PATH.part.
  TiffWriter(const std::string& path, const TiffInfo& info, const TiffWriterOptions& options = {});
  ~TiffWriter();
  TiffWriter(TiffWriter&&) noexcept;             ///< the other can only be assigned to
  TiffWriter& operator=(TiffWriter&&) noexcept;  ///< likewise

  /// Takes the samples of one window of the picture, with Raster::mask if info.has_mask (nonzero = valid; it
  /// is stored with one bit a pixel). Blocks that it covers are stored at once, the others are kept until
  /// windows have covered them.
  void write(const Raster& raster);

  /// Takes, instead of windows, the blocks that others have left for the same job, each of some rows: no
  /// block is decoded. A plain file takes them in `order`, which has all blocks of the picture: that of an
  /// uninterrupted run, for its bytes. Of overviews what lacks is made. Only for a file that is written anew.
  /// Errors: io; format (a block is in none of the parts, or damaged).
  void take_over(std::span<const StoredPart> parts, std::span<const int64_t> order);

  /// Blocks of picture, mask and overviews that an earlier run has left. Windows of them may come, and are
  /// passed over.
  int64_t blocks_found() const;

  /// Whether a pixel of the window is still to come.
  bool wants(const Window& window) const;

  /// Should the file not be finished, it stays as it is, for a later run with the same job. False if there is
  /// nothing to keep.
  bool keep();

  /// The file in which what is done lies until all is: PATH.part, of a COG PATH.blocks.part.
  const std::string& kept_in() const;

  /// Removes what a run that ended between giving the file its name and cleaning up has left beside it. What
  /// belongs to an unfinished file stays. Errors: io.
  static void remove_leftovers(const std::string& path);

  /// Removes all that is left of a file that was not finished, or as a sparse one. Errors: io (another run is
  /// writing it).
  static void remove_unfinished(const std::string& path);

  const std::string& path() const;  ///< as given

  /// Memory of the blocks that wait for more pixels.
  int64_t pending_bytes() const;

  /// Memory that one takes at most for such a picture, if no window has more pixels than width x height and
  /// all but the last ones begin and end at multiples of these.
  static int64_t working_bytes(const TiffInfo& info, const TiffWriterOptions& options, int64_t width,
                               int64_t height);

  /// Completes the file, syncs it to disk and gives it its name.
  void finish();

  /// Gives the file its name as it is: a sparse TIFF of picture and mask, with all tags but without
  /// overviews, in which blocks that have not come are empty. StoredPart finds its blocks as before.
  void finish_sparse();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sr
