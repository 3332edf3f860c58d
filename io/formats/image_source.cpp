#include "io/formats/image_source.h"

#include <algorithm>
#include <cctype>

#include "io/formats/picture.h"
#include "tensor/error.h"

namespace sr {
namespace {

constexpr uint16_t kMinIsBlack = 1, kRgb = 2, kUnassociatedAlpha = 2;

bool is_tiff(const std::string& path) {
  std::string end = path.substr(path.find_last_of("./") + 1);
  for (char& c : end) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return end == "tif" || end == "tiff";
}

TiffInfo info_of(const Raster& picture) {
  TiffInfo info;
  info.width = picture.window.w;
  info.height = picture.window.h;
  info.bands = picture.bands;
  info.type = picture.type;
  info.significant_bits = static_cast<int>(8 * bytes_of(picture.type));
  info.photometric = picture.bands >= 3 ? kRgb : kMinIsBlack;
  if (picture.bands % 2 == 0) info.extra_samples = {kUnassociatedAlpha};
  return info;
}

}  // namespace

ImageSource::ImageSource(const std::string& path, const TiffLimits& limits) : path_(path) {
  if (is_tiff(path)) {
    tiff_.emplace(path, limits);
  } else {
    picture_ = read_picture(path, &picture_warning_);
    picture_info_ = info_of(picture_);
  }
}

std::string ImageSource::decoding_note() const {
  return tiff_ ? tiff_->decoding_note() : sr::decoding_note(picture_warning_);
}

Raster ImageSource::read(const Window& window) {
  if (tiff_) return tiff_->read(window);
  const Window& all = picture_.window;
  if (window.x < 0 || window.y < 0 || window.w < 1 || window.h < 1 || window.w > all.w - window.x ||
      window.h > all.h - window.y)
    throw Error(Error::Kind::usage, "reading ", path_, ": window ", window.x, ",", window.y, " ", window.w,
                " x ", window.h, " lies outside its ", all.w, " x ", all.h, " pixels");
  return cut(picture_, window);
}

}  // namespace sr
