// An image of any kind that the programs take, read window by window.
#pragma once

#include <optional>
#include <string>

#include "io/raster.h"
#include "io/tiff/input/reader.h"

namespace sr {

/// TIFFs (.tif, .tiff) are read as windows ask for them, BMP, PNG and JPEG as a whole at once. Errors: those
/// of TiffReader and read_picture. Not safe for use by two threads at once.
class ImageSource {
 public:
  /// Opens it; reads all of it unless it is a TIFF.
  explicit ImageSource(const std::string& path, const TiffLimits& limits = {});

  /// For pictures: size, bands, type, RGB or grey, alpha.
  const TiffInfo& info() const { return tiff_ ? tiff_->info() : picture_info_; }

  /// The samples of a window within the image. Errors: also usage (window outside the image).
  Raster read(const Window& window);

  /// See TiffReader.
  std::string decoding_note() const;

 private:
  std::string path_;
  std::optional<TiffReader> tiff_;
  Raster picture_;
  TiffInfo picture_info_;
  std::string picture_warning_;
};

}  // namespace sr
