#include "io/tiff/output/set_tags.h"

#include <algorithm>
#include <cmath>
#include <type_traits>
#include <vector>

#include "io/output_file.h"

namespace sr {
namespace {

uint16_t codec_of(Compression compression) {
  switch (compression) {
    case Compression::none:
      return COMPRESSION_NONE;
    case Compression::lzw:
      return COMPRESSION_LZW;
    case Compression::deflate:
      return COMPRESSION_ADOBE_DEFLATE;
    case Compression::zstd:
      return COMPRESSION_ZSTD;
    case Compression::jpeg:
      return COMPRESSION_JPEG;
    case Compression::lerc:
      return COMPRESSION_LERC;
  }
  return COMPRESSION_NONE;
}

template <class T>
constexpr uint16_t sample_format() {
  return std::is_floating_point_v<T> ? SAMPLEFORMAT_IEEEFP
         : std::is_signed_v<T>       ? SAMPLEFORMAT_INT
                                     : SAMPLEFORMAT_UINT;
}

bool stored_as_ycbcr(const TiffInfo& info, const TiffWriterOptions& options) {
  return options.compression == Compression::jpeg && !options.by_band && info.bands == 3 &&
         info.photometric == PHOTOMETRIC_RGB;
}

class PageTags {
 public:
  PageTags(TiffFile& file, const std::string& path) : file_(file), path_(path) {}

  template <class... Values>
  void set(uint32_t tag, Values... values) {
    check_written(file_, path_, TIFFSetField(file_.get(), tag, values...) == 1, "setting its tags");
  }

  template <class T>
  void set_array(uint32_t tag, const std::vector<T>& values) {
    if (!values.empty()) set(tag, static_cast<int>(values.size()), values.data());
  }

  /// Values that a damaged source may hold but TIFF does not allow are left out.
  void set_floats(uint32_t tag, const std::vector<float>& values, size_t count) {
    const auto usable = [](float value) { return std::isfinite(value) && value >= 0; };
    if (values.size() == count && std::all_of(values.begin(), values.end(), usable)) set(tag, values.data());
  }

  void set_bytes(uint32_t tag, const std::vector<uint8_t>& bytes) {
    if (!bytes.empty()) set(tag, static_cast<uint32_t>(bytes.size()), bytes.data());
  }

  void set_text(uint32_t tag, const std::string& text) {
    if (!text.empty()) set(tag, text.c_str());
  }

  void set_size(const TiffInfo& info, int block, bool by_band) {
    set(TIFFTAG_IMAGEWIDTH, static_cast<uint32_t>(info.width));
    set(TIFFTAG_IMAGELENGTH, static_cast<uint32_t>(info.height));
    set(TIFFTAG_TILEWIDTH, static_cast<uint32_t>(block));
    set(TIFFTAG_TILELENGTH, static_cast<uint32_t>(block));
    set(TIFFTAG_PLANARCONFIG, by_band ? PLANARCONFIG_SEPARATE : PLANARCONFIG_CONTIG);
  }

  void set_codec(Compression compression) {
    const uint16_t codec = codec_of(compression);
    if (!TIFFIsCODECConfigured(codec)) {
      throw Error(Error::Kind::unsupported, "cannot write ", path_,
                  ": libtiff was built without this compression; use deflate");
    }
    set(TIFFTAG_COMPRESSION, codec);
  }

  void set_compression(const TiffWriterOptions& options, int predictor) {
    set_codec(options.compression);
    switch (options.compression) {
      case Compression::none:
        return;
      case Compression::jpeg:
        return set(TIFFTAG_JPEGQUALITY, options.quality);
      case Compression::lerc:
        set(TIFFTAG_LERC_ADD_COMPRESSION, LERC_ADD_COMPRESSION_NONE);
        return set(TIFFTAG_LERC_MAXZERROR, options.max_z_error);
      case Compression::deflate:
        set(TIFFTAG_ZIPQUALITY, level_of(options));
        break;
      case Compression::zstd:
        set(TIFFTAG_ZSTD_LEVEL, level_of(options));
        break;
      case Compression::lzw:
        break;
    }
    set(TIFFTAG_PREDICTOR, predictor);
  }

  void set_samples(const TiffInfo& info) {
    const uint16_t format =
        with_sample_type(info.type, [](auto zero) { return sample_format<decltype(zero)>(); });
    set(TIFFTAG_SAMPLESPERPIXEL, info.bands);
    set(TIFFTAG_BITSPERSAMPLE, static_cast<int>(8 * bytes_of(info.type)));
    set(TIFFTAG_SAMPLEFORMAT, format);
    if (!info.declared_top) return;
    if (info.type == SampleType::u16) set(TIFFTAG_MAXSAMPLEVALUE, static_cast<int>(*info.declared_top));
    if (info.type == SampleType::u32) set(TIFFTAG_SMAXSAMPLEVALUE, *info.declared_top);
  }

  void set_colour(const TiffInfo& info) {
    set(TIFFTAG_PHOTOMETRIC, info.photometric);
    if (info.photometric == PHOTOMETRIC_PALETTE) set_palette(info);
    const int inks = info.bands - static_cast<int>(info.extra_samples.size());
    if (info.photometric == PHOTOMETRIC_SEPARATED)
      set(TIFFTAG_INKSET, inks == 4 ? INKSET_CMYK : INKSET_MULTIINK);
    if (info.photometric == PHOTOMETRIC_YCBCR) set(TIFFTAG_YCBCRSUBSAMPLING, 1, 1);
    set_array(TIFFTAG_EXTRASAMPLES, info.extra_samples);
  }

  /// RGB as JPEG stores it best; libtiff converts. The default reference does not fit YCbCr.
  void set_jpeg_colour() {
    const float reference[] = {0, 255, 128, 255, 128, 255};
    set(TIFFTAG_PHOTOMETRIC, PHOTOMETRIC_YCBCR);
    set(TIFFTAG_YCBCRSUBSAMPLING, 2, 2);
    set(TIFFTAG_REFERENCEBLACKWHITE, reference);
    set(TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB);
  }

  /// As many entries as samples have values; those that the palette does not have are black.
  void set_palette(const TiffInfo& info) {
    std::vector<uint16_t> channels[3];
    for (size_t c = 0; c < 3; ++c) {
      for (size_t i = c; i < info.palette.size(); i += 3) channels[c].push_back(info.palette[i]);
      channels[c].resize(size_t{1} << 8 * bytes_of(info.type));
    }
    set(TIFFTAG_COLORMAP, channels[0].data(), channels[1].data(), channels[2].data());
  }

  void set_georeference(const SceneTags& tags) {
    set_array(kTagModelPixelScale, tags.pixel_scale);
    set_array(kTagModelTiepoint, tags.tiepoints);
    set_array(kTagModelTransformation, tags.transformation);
    set_array(kTagGeoKeyDirectory, tags.geo_key_directory);
    set_array(kTagGeoDoubleParams, tags.geo_double_params);
    set_text(kTagGeoAsciiParams, tags.geo_ascii_params);
    set_array(kTagRpcCoefficient, tags.rpc);
    set_text(kTagGdalMetadata, tags.gdal_metadata);
    set_text(kTagGdalNodata, tags.gdal_nodata);
  }

  /// Values that a damaged source may hold but TIFF does not allow are left out.
  void set_resolution(const SceneTags& tags) {
    const auto usable = [](double resolution) { return std::isfinite(resolution) && resolution > 0; };
    if (usable(tags.x_resolution)) set(TIFFTAG_XRESOLUTION, tags.x_resolution);
    if (usable(tags.y_resolution)) set(TIFFTAG_YRESOLUTION, tags.y_resolution);
    if (tags.resolution_unit >= RESUNIT_NONE && tags.resolution_unit <= RESUNIT_CENTIMETER) {
      set(TIFFTAG_RESOLUTIONUNIT, tags.resolution_unit);
    }
    if (tags.orientation >= ORIENTATION_TOPLEFT && tags.orientation <= ORIENTATION_LEFTBOT) {
      set(TIFFTAG_ORIENTATION, tags.orientation);
    }
  }

  void set_descriptions(const SceneTags& tags) {
    set_bytes(TIFFTAG_ICCPROFILE, tags.icc_profile);
    set_bytes(TIFFTAG_XMLPACKET, tags.xmp);
    set_floats(TIFFTAG_WHITEPOINT, tags.white_point, 2);
    set_floats(TIFFTAG_PRIMARYCHROMATICITIES, tags.primaries, 6);
    for (const TextTag& tag : kTextTags) set_text(tag.number, tags.*tag.text);
  }

 private:
  TiffFile& file_;
  const std::string& path_;
};

}  // namespace

void set_page_tags(TiffFile& file, const std::string& path, const TiffInfo& info,
                   const TiffWriterOptions& options, PageKind kind) {
  PageTags tags(file, path);
  const uint32_t subfile = (kind.mask ? FILETYPE_MASK : 0) | (kind.overview ? FILETYPE_REDUCEDIMAGE : 0);
  tags.set_size(info, options.block, options.by_band && !kind.mask);
  if (subfile != 0) tags.set(TIFFTAG_SUBFILETYPE, subfile);
  if (kind.mask) {
    tags.set(TIFFTAG_SAMPLESPERPIXEL, 1);
    tags.set(TIFFTAG_BITSPERSAMPLE, 1);
    tags.set(TIFFTAG_PHOTOMETRIC, PHOTOMETRIC_MASK);
    tags.set_codec(Compression::deflate);
    return;
  }
  const bool real = info.type == SampleType::f32 || info.type == SampleType::f64;
  tags.set_samples(info);
  const int predictor = !options.predictor ? PREDICTOR_NONE
                        : real             ? PREDICTOR_FLOATINGPOINT
                                           : PREDICTOR_HORIZONTAL;
  tags.set_compression(options, predictor);
  tags.set_colour(info);
  if (stored_as_ycbcr(info, options)) tags.set_jpeg_colour();
  if (kind.overview) return tags.set_text(kTagGdalNodata, info.tags.gdal_nodata);
  tags.set_georeference(info.tags);
  tags.set_resolution(info.tags);
  tags.set_descriptions(info.tags);
}

void check_written(TiffFile& file, const std::string& path, bool good, const char* action) {
  if (good && !file.has_error()) return;
  if (file.system_error() != 0) throw cannot_write(path, file.system_error());
  throw Error(Error::Kind::io, "cannot write ", path, ": ", action, ": ", file.take_messages());
}

}  // namespace sr
