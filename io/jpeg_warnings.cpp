#include "io/jpeg_warnings.h"

#include <cstdio>  // jpeglib.h needs FILE

#include <jpeglib.h>

#include <jerror.h>

namespace sr {
namespace {

// A Huffman decoder that wants a bit which is not there warns of that too (JWRN_HIT_MARKER,
// JWRN_MUST_RESYNC). But a picture of several scans may lack whole ones, and an arithmetic decoder makes up
// what it lacks; of these nothing but the end of the file tells.
bool every_lost_bit_is_told(const jpeg_decompress_struct& jpeg) {
  const bool one_scan = jpeg.comps_in_scan == jpeg.num_components && !jpeg.progressive_mode;
  return jpeg.num_components > 0 && one_scan && !jpeg.arith_code;
}

}  // namespace

bool loses_pixels(const jpeg_decompress_struct& jpeg) {
  switch (jpeg.err->msg_code) {
    case JWRN_ADOBE_XFORM:
    case JWRN_BOGUS_ICC:
    case JWRN_EXTRANEOUS_DATA:
    case JWRN_JFIF_MAJOR:
    case JWRN_NOT_SEQUENTIAL:
    case JWRN_TOO_MUCH_DATA:
      return false;
    case JWRN_JPEG_EOF:
      return !every_lost_bit_is_told(jpeg);
    default:
      return true;
  }
}

}  // namespace sr
