#include "io/tiff/reader.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <type_traits>
#include <utility>

#include "io/counted.h"
#include "io/tiff/gdal_metadata.h"
#include "io/tiff/page.h"
#include "io/tiff/read_tags.h"
#include "tensor/error.h"

namespace sr {
namespace {

constexpr int kMaxPages = 1000;

struct FurtherPages {
  int pictures = 0;             // that are neither masks nor overviews
  uint64_t mask_directory = 0;  // 0 = none
  std::string damage;           // what libtiff says of a page that it cannot read
};

// libtiff itself refuses to go round in a loop of directories.
FurtherPages look_at_further_pages(const std::string& path, const TiffLayout& first, int64_t max_allocation) {
  FurtherPages result;
  TiffFile file(path, TiffFile::Mode::read, max_allocation);
  for (int page = 1; page < kMaxPages && !TIFFLastDirectory(file.get()); ++page) {
    file.take_messages();
    if (!TIFFReadDirectory(file.get())) {
      result.damage = file.take_messages();
      break;
    }
    uint32_t kind = 0, width = 0, height = 0;
    TIFFGetField(file.get(), TIFFTAG_SUBFILETYPE, &kind);
    TIFFGetField(file.get(), TIFFTAG_IMAGEWIDTH, &width);
    TIFFGetField(file.get(), TIFFTAG_IMAGELENGTH, &height);
    if (kind & FILETYPE_MASK) {
      const bool same_size = width == first.width && height == first.height;
      if (same_size && result.mask_directory == 0) result.mask_directory = TIFFCurrentDirOffset(file.get());
    } else if (!(kind & FILETYPE_REDUCEDIMAGE)) {
      ++result.pictures;
    }
  }
  return result;
}

void note_further_pages(const FurtherPages& further, std::vector<std::string>& notes) {
  if (further.pictures > 0) {
    notes.push_back("holds " + counted(further.pictures, "further page") + "; only the first is processed");
  }
  if (!further.damage.empty()) notes.push_back("a further page cannot be read: " + further.damage);
}

void note_sub_images(TiffFile& file, std::vector<std::string>& notes) {
  uint16_t count = 0;
  const uint64_t* offsets = nullptr;
  if (TIFFGetField(file.get(), TIFFTAG_SUBIFD, &count, &offsets) && count > 0) {
    notes.push_back("holds " + counted(count, "sub-image") + "; only the main image is processed");
  }
}

// GDAL's own word on a band goes before the TIFF tag: it writes near infrared as alpha and corrects that
// there.
void correct_alpha(TiffInfo& info) {
  for (std::optional<int> alpha = info.alpha_band(); alpha; alpha = info.alpha_band()) {
    const std::string meaning = colour_interpretation(info.tags.gdal_metadata, *alpha);
    if (meaning.empty() || meaning == "Alpha") return;
    info.extra_samples[info.extra_samples.size() - static_cast<size_t>(info.bands - *alpha)] =
        EXTRASAMPLE_UNSPECIFIED;
  }
}

// The value as a sample of the type would hold it, or nothing.
std::optional<double> as_sample(double value, SampleType type) {
  return with_sample_type(type, [&](auto zero) -> std::optional<double> {
    using T = decltype(zero);
    if constexpr (std::is_floating_point_v<T>) {
      const T sample = static_cast<T>(value);
      if (std::isinf(sample) != std::isinf(value)) return std::nullopt;
      return static_cast<double>(sample);
    } else {
      const bool fits = value >= std::numeric_limits<T>::min() && value <= std::numeric_limits<T>::max();
      return fits && value == std::trunc(value) ? std::optional(value) : std::nullopt;
    }
  });
}

// Takes the nodata text over into info, or says why not: where a palette is expanded it is an index, to be
// hidden. Returns what fills blocks without data.
double take_nodata(TiffInfo& info, const SampleCoding& coding, std::optional<uint32_t>& hidden) {
  const std::string text = std::exchange(info.tags.gdal_nodata, "");
  if (text.empty()) return 0;
  const auto ignored = [&](const std::string& why) {
    info.notes.push_back("its nodata value '" + text.substr(0, 40) + "' is ignored: " + why);
    return 0.0;
  };
  const std::optional<double> value = parse_number(text);
  if (!value) return ignored("it is not a number");
  std::optional<double> sample = as_sample(*value, info.type);
  const bool packed_integer = !coding.half_float && coding.bits < 8 * bytes_of(coding.type);
  if (packed_integer && sample && *sample >= std::ldexp(1.0, coding.bits)) sample.reset();
  if (!sample) {
    return ignored("no sample of " + std::to_string(coding.bits) + " bits (" + name_of(info.type) +
                   ") can hold it");
  }
  if (!coding.palette.empty()) {
    hidden = static_cast<uint32_t>(*sample);
    return *sample;
  }
  const bool scaled = coding.bits < 8 && !coding.codes;
  info.nodata = scaled ? scaled_to_u8(static_cast<uint32_t>(*sample), coding.bits) : *sample;
  info.tags.gdal_nodata = scaled ? std::to_string(static_cast<int>(*info.nodata)) : text;
  return *info.nodata;
}

// Where few bits become 0..255, what one of them is worth shrinks (GDAL: value = offset + scale * sample).
void shrink_scales(TiffInfo& info, int bits) {
  info.tags.gdal_metadata = with_changed_items(info.tags.gdal_metadata, [bits](const MetadataItem& item) {
    const std::optional<double> scale = item.role == "scale" ? parse_number(item.text) : std::nullopt;
    if (!scale) return std::optional(item.text);
    char digits[40];
    const double fine = *scale * (std::ldexp(1.0, bits) - 1) / 255;
    return std::optional(std::string(digits, std::to_chars(digits, digits + sizeof digits, fine).ptr));
  });
}

int significant_bits(const SampleCoding& coding) {
  const auto full = static_cast<int>(8 * bytes_of(coding.type));
  const bool narrower = coding.palette.empty() && !coding.half_float && (coding.bits > 8 || coding.codes);
  return narrower ? coding.bits : full;
}

}  // namespace

std::optional<int> TiffInfo::alpha_band() const {
  for (size_t i = 0; i < extra_samples.size(); ++i) {
    if (extra_samples[i] == EXTRASAMPLE_ASSOCALPHA || extra_samples[i] == EXTRASAMPLE_UNASSALPHA) {
      return bands - static_cast<int>(extra_samples.size() - i);
    }
  }
  return std::nullopt;
}

struct TiffReader::Impl {
  std::string path;
  TiffPage picture;
  std::optional<TiffPage> mask;
  std::optional<TiffPage> indices;  // where a palette is expanded that has an index to be hidden
  uint32_t hidden_index = 0;
  TiffInfo info;

  Impl(const std::string& path_, const TiffLimits& limits, SampleReading reading)
      : path(path_), picture(path_, 0, limits, reading) {
    const TiffLayout& layout = picture.layout();
    info.width = layout.width;
    info.height = layout.height;
    info.bands = layout.bands();
    info.type = layout.coding.type;
    info.significant_bits = significant_bits(layout.coding);
    info.stored_bits = layout.coding.bits;
    info.photometric = layout.photometric;
    info.palette = layout.palette;
    info.extra_samples = layout.extra_samples;
    info.tags = read_scene_tags(picture.file(), info.notes);
    correct_alpha(info);
    if (!layout.coding.palette.empty()) leave_out_texts_of_indices();
    if (layout.coding.bits < 8 && !layout.coding.codes) shrink_scales(info, layout.coding.bits);
    std::optional<uint32_t> hidden;
    picture.fill_with(take_nodata(info, layout.coding, hidden));
    if (hidden) hide(*hidden, limits);
    if (!layout.opening_warnings.empty()) info.notes.push_back("libtiff warns: " + layout.opening_warnings);
    const FurtherPages further = look_at_further_pages(path, layout, limits.block_bytes);
    note_further_pages(further, info.notes);
    note_sub_images(picture.file(), info.notes);
    if (further.mask_directory != 0) open_mask(further.mask_directory, limits);
  }

  void leave_out_texts_of_indices() {
    const std::string without = without_band_items(info.tags.gdal_metadata);
    if (without == info.tags.gdal_metadata) return;
    info.tags.gdal_metadata = without;
    info.notes.push_back("its palette is expanded to colours; the texts of its band are left out");
  }

  void hide(uint32_t index, TiffLimits limits) {
    limits.cache_bytes /= 8;
    indices.emplace(path, 0, limits, SampleReading::codes);
    indices->fill_with(index);
    hidden_index = index;
    info.has_mask = true;
    info.notes.push_back("its nodata value is entry " + std::to_string(index) +
                         " of the palette, which is expanded to colours: its pixels are hidden by a mask");
  }

  // Makes the mask zero where the picture has the hidden index.
  void hide_in(Raster& raster) {
    Raster stored(raster.window, 1, indices->layout().coding.type);
    indices->read(raster.window, stored.samples.data());
    with_sample_type(stored.type, [&](auto zero) {
      const auto* const values = stored.data<decltype(zero)>();
      for (size_t i = 0; i < raster.mask.size(); ++i)
        if (static_cast<uint32_t>(values[i]) == hidden_index) raster.mask[i] = 0;
    });
  }

  void open_mask(uint64_t directory, TiffLimits limits) {
    limits.cache_bytes /= 8;
    mask.emplace(path, directory, limits);
    info.has_mask = true;
    if (mask->layout().bands() != 1 || mask->layout().coding.type != SampleType::u8) {
      throw Error(Error::Kind::unsupported, "reading '", path, "': its mask page has ",
                  counted(mask->layout().bands(), "band"), " of ", name_of(mask->layout().coding.type),
                  "; one band of up to 8 bits is expected");
    }
  }
};

TiffReader::TiffReader(const std::string& path, const TiffLimits& limits, SampleReading reading)
    : impl_(std::make_unique<Impl>(path, limits, reading)) {}
TiffReader::~TiffReader() = default;
TiffReader::TiffReader(TiffReader&&) noexcept = default;
TiffReader& TiffReader::operator=(TiffReader&&) noexcept = default;

const TiffInfo& TiffReader::info() const {
  return impl_->info;
}
const std::string& TiffReader::path() const {
  return impl_->path;
}

void TiffReader::set_cache_limit(int64_t bytes) {
  const int64_t for_mask = impl_->mask ? bytes / (impl_->info.bands * bytes_of(impl_->info.type) + 1) : 0;
  if (impl_->mask) impl_->mask->set_cache_limit(for_mask);
  const int64_t for_indices = impl_->indices ? (bytes - for_mask) / 4 : 0;  // the colours are three bytes
  if (impl_->indices) impl_->indices->set_cache_limit(for_indices);
  impl_->picture.set_cache_limit(bytes - for_mask - for_indices);
}

void TiffReader::set_threads(int threads) {
  impl_->picture.set_threads(threads);
  if (impl_->mask) impl_->mask->set_threads(threads);
  if (impl_->indices) impl_->indices->set_threads(threads);
}

int64_t TiffReader::decoding_bytes() const {
  return impl_->picture.decoding_bytes() + (impl_->mask ? impl_->mask->decoding_bytes() : 0) +
         (impl_->indices ? impl_->indices->decoding_bytes() : 0);
}

int64_t TiffReader::most_decoding_bytes() const {
  return impl_->picture.most_decoding_bytes() + (impl_->mask ? impl_->mask->most_decoding_bytes() : 0);
}

int64_t TiffReader::bytes_of_rows(int64_t rows) const {
  const int64_t picture = impl_->picture.bytes_of_rows(rows);
  if (!impl_->mask) return picture;
  // As set_cache_limit() divides it.
  const int64_t pixel = impl_->info.bands * bytes_of(impl_->info.type);
  return std::max((picture + pixel - 1) / pixel, impl_->mask->bytes_of_rows(rows)) * (pixel + 1);
}

std::string TiffReader::decoding_note() const {
  const std::string& picture = impl_->picture.decoding_warning();
  return sr::decoding_note(picture.empty() && impl_->mask ? impl_->mask->decoding_warning() : picture);
}

std::string decoding_note(const std::string& warning) {
  return warning.empty() ? "" : "the decoder warned, but no pixel is lost: " + warning;
}

Raster TiffReader::read(const Window& window) {
  const TiffInfo& info = impl_->info;
  if (window.x < 0 || window.y < 0 || window.w < 0 || window.h < 0 || window.x > info.width ||
      window.y > info.height || window.w > info.width - window.x || window.h > info.height - window.y) {
    throw Error(Error::Kind::usage, "reading '", impl_->path, "': the window of ", window.w, " x ", window.h,
                " pixels at (", window.x, ", ", window.y, ") is not within the image of ", info.width, " x ",
                info.height);
  }
  Raster raster(window, info.bands, info.type);
  impl_->picture.read(window, raster.samples.data());
  if (info.has_mask) raster.mask.resize(static_cast<size_t>(window.pixels()), 255);
  if (impl_->mask) impl_->mask->read(window, reinterpret_cast<std::byte*>(raster.mask.data()));
  if (impl_->indices) impl_->hide_in(raster);
  return raster;
}

}  // namespace sr
