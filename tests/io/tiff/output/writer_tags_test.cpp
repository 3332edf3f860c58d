#include <limits>

#include "io/tiff/output/writer.h"
#include "tests/io/tiff/writing.h"

namespace sr {
namespace {

TEST_F(TiffWriterTest, SampleTypeAndCompressionAreDeclared) {
  const uint16_t codecs[] = {COMPRESSION_NONE, COMPRESSION_LZW, COMPRESSION_ADOBE_DEFLATE, COMPRESSION_ZSTD};
  for (const SampleType type : kTypes) {
    for (size_t c = 0; c < 4; ++c) {
      const TiffInfo info = make_info(20, 20, 1, type);
      write_whole(path_, info, random_picture(info, 1), {kCompressions[c], 16});
      TiffFile file(path_, TiffFile::Mode::read);
      const std::string name = name_of(type);
      EXPECT_EQ(tag<uint16_t>(file, TIFFTAG_BITSPERSAMPLE), std::stoi(name.substr(1)));
      EXPECT_EQ(tag<uint16_t>(file, TIFFTAG_SAMPLEFORMAT), name[0] == 'u'   ? SAMPLEFORMAT_UINT
                                                           : name[0] == 'i' ? SAMPLEFORMAT_INT
                                                                            : SAMPLEFORMAT_IEEEFP);
      EXPECT_EQ(tag<uint16_t>(file, TIFFTAG_COMPRESSION), codecs[c]);
      if (c > 0) {
        EXPECT_EQ(tag<uint16_t>(file, TIFFTAG_PREDICTOR), name[0] == 'f' ? 3 : 2);
      }
    }
  }
}

TEST_F(TiffWriterTest, WithoutAPredictorTheSamplesAreTheSame) {
  for (const SampleType type : {SampleType::u16, SampleType::f32}) {
    const TiffInfo info = make_info(50, 20, 2, type);
    const Raster picture = random_picture(info, 1);
    for (size_t c = 0; c < 4; ++c) {
      write_whole(path_, info, picture, {.compression = kCompressions[c], .block = 16, .predictor = false});
      EXPECT_EQ(read_back(path_, info).samples, picture.samples);
      TiffFile file(path_, TiffFile::Mode::read);
      uint16_t predictor = PREDICTOR_NONE;
      TIFFGetField(file.get(), TIFFTAG_PREDICTOR, &predictor);
      EXPECT_EQ(predictor, PREDICTOR_NONE);
    }
  }
}

TEST_F(TiffWriterTest, AllTagsAreWritten) {
  TiffInfo info = make_info(20, 20, 1, SampleType::f32);
  SceneTags& tags = info.tags;
  tags.pixel_scale = {10, 20, 0};
  tags.tiepoints = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
  tags.transformation = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
  tags.geo_key_directory = {1, 1, 0, 1, 1024, 0, 1, 1};
  tags.geo_double_params = {6378137, 298.25};
  tags.geo_ascii_params = "WGS 84 / UTM zone 31N|WGS 84|";
  for (int i = 0; i < 92; ++i) tags.rpc.push_back(i / 7.0);
  tags.gdal_metadata = "<GDALMetadata>\n  <Item name=\"A\">b</Item>\n</GDALMetadata>\n";
  tags.gdal_nodata = "-3.4028234663852886e+38";
  tags.icc_profile = {0, 1, 2, 250, 0, 3};
  tags.xmp = {'<', 'x', '/', '>'};
  tags.x_resolution = 300;
  tags.y_resolution = 150.5;
  tags.resolution_unit = RESUNIT_CENTIMETER;
  tags.orientation = ORIENTATION_RIGHTTOP;
  tags.description = "field";
  tags.software = "camera 1.0";
  tags.date_time = "2020:02:31 25:61:61";
  tags.artist = "somebody";
  tags.copyright = "nobody";
  tags.document_name = "sheet 3";
  tags.make = "maker";
  tags.model = "model";
  tags.host_computer = "computer";
  tags.white_point = {0.25f, 0.375f};
  tags.primaries = {0.5f, 0.25f, 0.125f, 0.75f, 0, 0.0625f};
  write_whole(path_, info, random_picture(info, 2));

  TiffFile file(path_, TiffFile::Mode::read);
  EXPECT_EQ(array_tag<double>(file, kTagModelPixelScale), tags.pixel_scale);
  EXPECT_EQ(array_tag<double>(file, kTagModelTiepoint), tags.tiepoints);
  EXPECT_EQ(array_tag<double>(file, kTagModelTransformation), tags.transformation);
  EXPECT_EQ(array_tag<uint16_t>(file, kTagGeoKeyDirectory), tags.geo_key_directory);
  EXPECT_EQ(array_tag<double>(file, kTagGeoDoubleParams), tags.geo_double_params);
  EXPECT_EQ(text_tag(file, kTagGeoAsciiParams), tags.geo_ascii_params);
  EXPECT_EQ(array_tag<double>(file, kTagRpcCoefficient), tags.rpc);
  EXPECT_EQ(text_tag(file, kTagGdalMetadata), tags.gdal_metadata);
  EXPECT_EQ(text_tag(file, kTagGdalNodata), tags.gdal_nodata);
  uint32_t count = 0;
  const uint8_t* bytes = nullptr;
  ASSERT_EQ(TIFFGetField(file.get(), TIFFTAG_ICCPROFILE, &count, &bytes), 1);
  EXPECT_EQ(std::vector<uint8_t>(bytes, bytes + count), tags.icc_profile);
  ASSERT_EQ(TIFFGetField(file.get(), TIFFTAG_XMLPACKET, &count, &bytes), 1);
  EXPECT_EQ(std::vector<uint8_t>(bytes, bytes + count), tags.xmp);
  EXPECT_EQ(tag<float>(file, TIFFTAG_XRESOLUTION), 300.0f);
  EXPECT_EQ(tag<float>(file, TIFFTAG_YRESOLUTION), 150.5f);
  EXPECT_EQ(tag<uint16_t>(file, TIFFTAG_RESOLUTIONUNIT), RESUNIT_CENTIMETER);
  EXPECT_EQ(tag<uint16_t>(file, TIFFTAG_ORIENTATION), ORIENTATION_RIGHTTOP);
  EXPECT_EQ(text_tag(file, TIFFTAG_IMAGEDESCRIPTION), tags.description);
  EXPECT_EQ(text_tag(file, TIFFTAG_SOFTWARE), tags.software);
  EXPECT_EQ(text_tag(file, TIFFTAG_DATETIME), tags.date_time);
  EXPECT_EQ(text_tag(file, TIFFTAG_ARTIST), tags.artist);
  EXPECT_EQ(text_tag(file, TIFFTAG_COPYRIGHT), tags.copyright);
  EXPECT_EQ(text_tag(file, TIFFTAG_DOCUMENTNAME), tags.document_name);
  EXPECT_EQ(text_tag(file, TIFFTAG_MAKE), tags.make);
  EXPECT_EQ(text_tag(file, TIFFTAG_MODEL), tags.model);
  EXPECT_EQ(text_tag(file, TIFFTAG_HOSTCOMPUTER), tags.host_computer);
  const float* colours = nullptr;
  ASSERT_EQ(TIFFGetField(file.get(), TIFFTAG_WHITEPOINT, &colours), 1);
  EXPECT_EQ(std::vector<float>(colours, colours + 2), tags.white_point);
  ASSERT_EQ(TIFFGetField(file.get(), TIFFTAG_PRIMARYCHROMATICITIES, &colours), 1);
  EXPECT_EQ(std::vector<float>(colours, colours + 6), tags.primaries);
}

TEST_F(TiffWriterTest, AbsentAndImpossibleTagsAreNotWritten) {
  TiffInfo info = make_info(20, 20, 1, SampleType::u8);
  info.tags.x_resolution = -1;
  info.tags.y_resolution = std::numeric_limits<double>::quiet_NaN();
  info.tags.resolution_unit = 77;
  info.tags.orientation = 9;
  info.tags.white_point = {0.3f, std::numeric_limits<float>::infinity()};
  info.tags.primaries = {0, 0, 0, 0, 0, -1};
  info.tags.date_time = "yesterday, or the day before";
  write_whole(path_, info, random_picture(info, 2));
  TiffFile file(path_, TiffFile::Mode::read);
  EXPECT_EQ(file.take_messages(), "");
  double number = 0;
  uint16_t count = 0;
  const void* values = nullptr;
  for (const uint32_t absent : {TIFFTAG_XRESOLUTION, TIFFTAG_YRESOLUTION, TIFFTAG_ORIENTATION,
                                TIFFTAG_WHITEPOINT, TIFFTAG_PRIMARYCHROMATICITIES}) {
    EXPECT_EQ(TIFFGetField(file.get(), absent, &number), 0) << absent;
  }
  for (const uint32_t absent :
       {kTagModelPixelScale, kTagModelTiepoint, kTagGeoKeyDirectory, kTagRpcCoefficient}) {
    EXPECT_EQ(TIFFGetField(file.get(), absent, &count, &values), 0) << absent;
  }
  EXPECT_EQ(text_tag(file, kTagGdalNodata), "(absent)");
  EXPECT_EQ(text_tag(file, TIFFTAG_DATETIME), info.tags.date_time);
}

TEST_F(TiffWriterTest, ColourMeaningIsKept) {
  struct Case {
    uint16_t photometric;
    int bands;
    std::vector<uint16_t> extra;
  };
  const std::vector<Case> cases = {{PHOTOMETRIC_MINISWHITE, 1, {}},
                                   {PHOTOMETRIC_MINISBLACK, 2, {EXTRASAMPLE_UNASSALPHA}},
                                   {PHOTOMETRIC_RGB, 4, {EXTRASAMPLE_ASSOCALPHA}},
                                   {PHOTOMETRIC_RGB, 5, {EXTRASAMPLE_UNSPECIFIED, EXTRASAMPLE_UNASSALPHA}},
                                   {PHOTOMETRIC_SEPARATED, 4, {}},
                                   {PHOTOMETRIC_SEPARATED, 5, {EXTRASAMPLE_UNASSALPHA}},
                                   {PHOTOMETRIC_SEPARATED, 3, {}},
                                   {PHOTOMETRIC_YCBCR, 3, {}}};
  for (const Case& c : cases) {
    TiffInfo info = make_info(33, 20, c.bands, SampleType::u8);
    info.photometric = c.photometric;
    info.extra_samples = c.extra;
    const Raster picture = random_picture(info, 2);
    write_whole(path_, info, picture, {Compression::deflate, 16});
    EXPECT_EQ(read_back(path_, info).samples, picture.samples);
    TiffFile file(path_, TiffFile::Mode::read);
    EXPECT_EQ(file.take_messages(), "");
    EXPECT_EQ(tag<uint16_t>(file, TIFFTAG_PHOTOMETRIC), c.photometric);
    EXPECT_EQ(tag<uint16_t>(file, TIFFTAG_SAMPLESPERPIXEL), c.bands);
    if (!c.extra.empty()) {
      EXPECT_EQ(array_tag<uint16_t>(file, TIFFTAG_EXTRASAMPLES), c.extra);
    }
    if (c.photometric == PHOTOMETRIC_SEPARATED) {
      EXPECT_EQ(tag<uint16_t>(file, TIFFTAG_INKSET), c.bands >= 4 ? INKSET_CMYK : INKSET_MULTIINK);
    }
  }
}

}  // namespace
}  // namespace sr
