#include "io/tiff/input/mask.h"

#include <cstdlib>
#include <filesystem>

#include "tensor/error.h"

namespace sr {
namespace {

constexpr int kPerDataset = 2;  // GDAL's GMF_PER_DATASET

template <class T>
T tag_or(TiffFile& file, uint32_t tag, T otherwise) {
  T value{};
  return TIFFGetField(file.get(), tag, &value) ? value : otherwise;
}

struct PageForm {
  uint32_t width, height;
  uint16_t bands, bits, format;

  explicit PageForm(TiffFile& file)
      : width(tag_or<uint32_t>(file, TIFFTAG_IMAGEWIDTH, 0)),
        height(tag_or<uint32_t>(file, TIFFTAG_IMAGELENGTH, 0)),
        bands(tag_or<uint16_t>(file, TIFFTAG_SAMPLESPERPIXEL, 1)),
        bits(tag_or<uint16_t>(file, TIFFTAG_BITSPERSAMPLE, 1)),
        format(tag_or<uint16_t>(file, TIFFTAG_SAMPLEFORMAT, SAMPLEFORMAT_UINT)) {}

  bool as_large_as(const TiffLayout& picture) const {
    return width == picture.width && height == picture.height;
  }
  std::string size() const { return std::to_string(width) + " x " + std::to_string(height) + " pixels"; }
};

[[noreturn]] void refuse_bands(const TiffFile& file) {
  throw Error(
      Error::Kind::unsupported, "reading '", file.path(),
      "': it has a mask for each band; one for all bands is expected: gdal_translate -mask 1 makes it "
      "the first band's, -b 1 -mask 1, -b 2 -mask 2, ... a file of each band");
}

// What GDAL writes into a mask file: whether its first band is the mask of all bands of the picture. Nothing:
// GDAL does not use the file.
std::optional<int> mask_flags(TiffFile& file) {
  const char* text = nullptr;
  if (!TIFFGetField(file.get(), kTagGdalMetadata, &text) || !text) return {};
  const std::string metadata = text, item = "name=\"INTERNAL_MASK_FLAGS_1\"";
  const size_t start = metadata.find('>', std::min(metadata.find(item), metadata.size()));
  if (start == std::string::npos) return {};
  return std::atoi(metadata.c_str() + start + 1);
}

}  // namespace

bool is_mask_kind(uint32_t subfile_type) {
  return (subfile_type & FILETYPE_MASK) && !(subfile_type & FILETYPE_REDUCEDIMAGE);
}

std::string no_mask_because(TiffFile& file, const TiffLayout& picture) {
  const PageForm page(file);
  if (!page.as_large_as(picture)) return "it has " + page.size();
  if (page.bits > 8) return "its samples have " + std::to_string(page.bits) + " bits";
  if (page.bands == 1) return "";
  if (page.bands == picture.stored_bands) refuse_bands(file);
  return "it has " + std::to_string(page.bands) + " bands";
}

std::optional<MaskPlace> mask_beside(const std::string& tiff_path, const TiffLayout& picture,
                                     std::vector<std::string>& notes) {
  const std::string path = tiff_path + ".msk";
  std::error_code none;
  if (!std::filesystem::exists(path, none)) return {};
  const auto ignored = [&](const std::string& why) {
    notes.push_back(std::filesystem::path(path).filename().string() + " beside it is ignored: " + why);
    return std::nullopt;
  };
  std::optional<TiffFile> file;
  try {
    file.emplace(path, TiffFile::Mode::read);
  } catch (const Error&) {
    return ignored("it is not a TIFF, or damaged");
  }
  const PageForm page(*file);
  const std::optional<int> flags = mask_flags(*file);
  if (!flags) return ignored("it has no INTERNAL_MASK_FLAGS_1, without which GDAL does not use it either");
  if (!page.as_large_as(picture)) return ignored("it has " + page.size());
  if (!(*flags & kPerDataset) && picture.stored_bands > 1) refuse_bands(*file);
  if (page.bits > 8 || page.bands != 1)
    throw Error(Error::Kind::unsupported, "reading '", path, "': a mask with ", page.bands, " bands of ",
                page.bits, " bits; one band of up to 8 bits is expected");
  return MaskPlace{path, 0};
}

}  // namespace sr
