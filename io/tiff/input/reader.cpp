#include "io/tiff/input/reader.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

#include "io/counted.h"
#include "io/tiff/input/alpha_band.h"
#include "io/tiff/input/mask.h"
#include "io/tiff/input/nodata_tag.h"
#include "io/tiff/input/page.h"
#include "io/tiff/tags/gdal_metadata.h"
#include "io/tiff/tags/read_tags.h"
#include "tensor/error.h"

namespace sr {
namespace {

constexpr int kMaxPages = 1000;

struct FurtherPages {
  int pictures = 0;                   // that are neither masks nor overviews
  uint64_t mask_directory = 0;        // 0 = none
  std::vector<std::string> no_masks;  // why pages that are said to be masks are none
  std::string damage;                 // what libtiff says of a page that it cannot read
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
    uint32_t kind = 0;
    TIFFGetField(file.get(), TIFFTAG_SUBFILETYPE, &kind);
    if (is_mask_kind(kind)) {
      const std::string why = no_mask_because(file, first);
      if (!why.empty())
        result.no_masks.push_back(why);
      else if (result.mask_directory == 0)
        result.mask_directory = TIFFCurrentDirOffset(file.get());
    } else if (!(kind & (FILETYPE_REDUCEDIMAGE | FILETYPE_MASK))) {
      ++result.pictures;
    }
  }
  return result;
}

void note_further_pages(const FurtherPages& further, std::vector<std::string>& notes) {
  if (further.pictures > 0) {
    notes.push_back("holds " + counted(further.pictures, "further page") + "; only the first is processed");
  }
  if (further.mask_directory == 0) {
    for (const std::string& why : further.no_masks)
      notes.push_back("its mask page is ignored, as GDAL does: " + why);
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

// MaxSampleValue is "the maximum component value used" (TIFF 6.0): a statistic, unless it is that of some
// bits.
std::optional<double> declared_top(TiffFile& file, const TiffInfo& info) {
  if (info.type != SampleType::u16 && info.type != SampleType::u32) return {};
  uint16_t of_shorts = 0;
  double top = 0;
  if (!TIFFGetField(file.get(), TIFFTAG_SMAXSAMPLEVALUE, &top) &&
      TIFFGetField(file.get(), TIFFTAG_MAXSAMPLEVALUE, &of_shorts))
    top = of_shorts;
  for (int bits = 8; bits < info.significant_bits; ++bits)
    if (top == std::exp2(bits) - 1) return top;
  return {};
}

}  // namespace

struct TiffReader::Impl {
  std::string path;
  TiffPage picture;
  std::optional<TiffPage> mask;
  std::optional<TiffPage> indices;  // where a palette is expanded that has an index to be hidden
  uint32_t hidden_index = 0;
  std::optional<HalfNodata> half_nodata;
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
    info.declared_top = declared_top(picture.file(), info);
    info.photometric = layout.photometric;
    info.palette = layout.palette;
    info.extra_samples = layout.extra_samples;
    info.tags = read_scene_tags(picture.file(), info.notes);
    if (!layout.coding.palette.empty()) leave_out_texts_of_indices();
    if (layout.coding.bits < 8 && !layout.coding.codes) shrink_scales(info, layout.coding.bits);
    take_nodata(layout.coding, limits);
    correct_extra_samples(info);
    if (!layout.opening_warnings.empty()) info.notes.push_back("libtiff warns: " + layout.opening_warnings);
    const FurtherPages further = look_at_further_pages(path, layout, limits.block_bytes);
    note_further_pages(further, info.notes);
    note_sub_images(picture.file(), info.notes);
    const std::optional<MaskPlace> mask_page = further.mask_directory != 0
                                                   ? MaskPlace{path, further.mask_directory}
                                                   : mask_beside(path, layout, info.notes);
    if (mask_page) open_mask(*mask_page, limits);
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

  void take_nodata(const SampleCoding& coding, const TiffLimits& limits) {
    const NodataTag tag = nodata_of_tag(info.tags.gdal_nodata, coding);
    info.nodata = tag.nodata;
    info.tags.gdal_nodata = tag.text;
    if (!tag.note.empty()) info.notes.push_back(tag.note);
    if (coding.palette.empty())
      info.nodata_values = nodata_values(info.tags.gdal_metadata, info.bands, info.type);
    picture.fill_with(tag.fill);
    if (tag.hidden_index) hide(*tag.hidden_index, limits);
    half_nodata = sr::half_nodata(coding, tag.nodata);
  }

  void open_mask(const MaskPlace& place, TiffLimits limits) {
    limits.cache_bytes /= 8;
    mask.emplace(place.path, place.directory, limits);
    info.has_mask = true;
    const SampleCoding& coding = mask->layout().coding;
    if (mask->layout().bands() != 1 || bytes_of(coding.type) != 1)
      throw Error(Error::Kind::unsupported, "reading '", place.path, "': its mask page has ",
                  counted(mask->layout().bands(), "band"), " of ", name_of(coding.type),
                  "; one band of up to 8 bits is expected");
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

void TiffReader::choose_alpha(int band) {
  sr::choose_alpha(impl_->info, band);
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
  if (const auto& half = impl_->half_nodata)
    std::replace_if(
        raster.data<float>(), raster.data<float>() + window.pixels() * info.bands,
        [&](float sample) { return sample == half->rounded || sample == half->cut_off; }, half->declared);
  if (info.has_mask) raster.mask.resize(static_cast<size_t>(window.pixels()), 255);
  if (impl_->mask) impl_->mask->read(window, reinterpret_cast<std::byte*>(raster.mask.data()));
  if (impl_->indices) impl_->hide_in(raster);
  return raster;
}

}  // namespace sr
