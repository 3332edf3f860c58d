// What the reader says of a TIFF besides its samples: tags, nodata, mask, alpha, notes.
#include <gtest/gtest.h>

#include <tuple>

#include <cmath>
#include <functional>

#include "io/tiff/file.h"
#include "io/tiff/input/reader.h"
#include "io/tiff/tags/read_tags.h"
#include "tests/io/tiff/samples.h"
#include "tests/support/expect_error.h"

namespace sr {
namespace {

using SetTags = std::function<void(TIFF*)>;

// Writes one page with further tags and gives back what the reader says of it.
TiffInfo info_of(const TestPage& page, const SetTags& set_tags) {
  const TestFolder folder;
  {
    TiffFile file(folder / "a.tif", TiffFile::Mode::create);
    set_layout(file.get(), page);
    set_tags(file.get());
    EXPECT_TRUE(write_blocks(file.get(), page));
    file.close();
  }
  return TiffReader(folder / "a.tif").info();
}

TiffInfo info_with_nodata(const TestPage& page, const std::string& text) {
  return info_of(page, [&](TIFF* tiff) { TIFFSetField(tiff, kTagGdalNodata, text.c_str()); });
}

TestPage page_of(uint16_t bits, uint16_t format) {
  TestPage page;
  page.bits = bits;
  page.format = format;
  return page;
}

TEST(TiffInfo, EveryTagOfTheSceneIsRead) {
  const std::vector<double> scale = {0.5, 0.25, 0}, points = {0, 0, 0, 100, 200, 0}, rpc(92, 1.5);
  const std::vector<uint16_t> keys = {1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 2, 3072, 0, 1, 32631};
  const std::vector<double> key_numbers = {6378137};
  const std::vector<float> white = {0.25f, 0.375f}, primaries = {0.5f, 0.25f, 0.125f, 0.75f, 0, 0.0625f};
  const std::vector<uint8_t> icc = {1, 2, 3, 0, 5}, xmp = {'<', 'x', '/', '>'};
  const SceneTags tags = info_of(TestPage{}, [&](TIFF* tiff) {
                           TIFFSetField(tiff, kTagModelPixelScale, 3, scale.data());
                           TIFFSetField(tiff, kTagModelTiepoint, 6, points.data());
                           TIFFSetField(tiff, kTagRpcCoefficient, 92, rpc.data());
                           TIFFSetField(tiff, kTagGeoKeyDirectory, 16, keys.data());
                           TIFFSetField(tiff, kTagGeoDoubleParams, 1, key_numbers.data());
                           TIFFSetField(tiff, kTagGeoAsciiParams, "UTM 31|");
                           TIFFSetField(tiff, kTagGdalMetadata, "<GDALMetadata></GDALMetadata>");
                           TIFFSetField(tiff, TIFFTAG_ICCPROFILE, 5, icc.data());
                           TIFFSetField(tiff, TIFFTAG_XMLPACKET, 4, xmp.data());
                           TIFFSetField(tiff, TIFFTAG_XRESOLUTION, 300.0);
                           TIFFSetField(tiff, TIFFTAG_YRESOLUTION, 150.0);
                           TIFFSetField(tiff, TIFFTAG_RESOLUTIONUNIT, RESUNIT_CENTIMETER);
                           TIFFSetField(tiff, TIFFTAG_ORIENTATION, ORIENTATION_RIGHTTOP);
                           TIFFSetField(tiff, TIFFTAG_IMAGEDESCRIPTION, "description");
                           TIFFSetField(tiff, TIFFTAG_SOFTWARE, "software");
                           TIFFSetField(tiff, TIFFTAG_DATETIME, "2024:13:45 99:00:00");
                           TIFFSetField(tiff, TIFFTAG_ARTIST, "artist");
                           TIFFSetField(tiff, TIFFTAG_COPYRIGHT, "copyright");
                           TIFFSetField(tiff, TIFFTAG_DOCUMENTNAME, "document");
                           TIFFSetField(tiff, TIFFTAG_MAKE, "make");
                           TIFFSetField(tiff, TIFFTAG_MODEL, "model");
                           TIFFSetField(tiff, TIFFTAG_HOSTCOMPUTER, "computer");
                           TIFFSetField(tiff, TIFFTAG_WHITEPOINT, white.data());
                           TIFFSetField(tiff, TIFFTAG_PRIMARYCHROMATICITIES, primaries.data());
                         }).tags;
  EXPECT_EQ(tags.pixel_scale, scale);
  EXPECT_EQ(tags.tiepoints, points);
  EXPECT_TRUE(tags.transformation.empty());
  EXPECT_EQ(tags.rpc, rpc);
  EXPECT_EQ(tags.geo_key_directory, keys);
  EXPECT_EQ(tags.geo_double_params, key_numbers);
  EXPECT_EQ(tags.geo_ascii_params, "UTM 31|");
  EXPECT_TRUE(tags.pixel_is_point);
  EXPECT_EQ(tags.gdal_metadata, "<GDALMetadata></GDALMetadata>");
  EXPECT_EQ(tags.icc_profile, icc);
  EXPECT_EQ(tags.xmp, xmp);
  EXPECT_EQ(tags.x_resolution, 300);
  EXPECT_EQ(tags.y_resolution, 150);
  EXPECT_EQ(tags.resolution_unit, RESUNIT_CENTIMETER);
  EXPECT_EQ(tags.orientation, ORIENTATION_RIGHTTOP);
  EXPECT_EQ(tags.description, "description");
  EXPECT_EQ(tags.software, "software");
  EXPECT_EQ(tags.date_time, "2024:13:45 99:00:00");
  EXPECT_EQ(tags.artist, "artist");
  EXPECT_EQ(tags.copyright, "copyright");
  EXPECT_EQ(tags.document_name, "document");
  EXPECT_EQ(tags.make, "make");
  EXPECT_EQ(tags.model, "model");
  EXPECT_EQ(tags.host_computer, "computer");
  EXPECT_EQ(tags.white_point, white);
  EXPECT_EQ(tags.primaries, primaries);
}

TEST(TiffInfo, PlainTiffHasNoTags) {
  const TiffInfo info = info_of(TestPage{}, [](TIFF*) {});
  const SceneTags& tags = info.tags;
  EXPECT_TRUE(tags.pixel_scale.empty() && tags.tiepoints.empty() && tags.transformation.empty());
  EXPECT_TRUE(tags.geo_key_directory.empty() && tags.rpc.empty());
  EXPECT_TRUE(tags.icc_profile.empty() && tags.xmp.empty());
  EXPECT_TRUE(tags.white_point.empty() && tags.primaries.empty());
  EXPECT_FALSE(tags.pixel_is_point);
  EXPECT_EQ(tags.x_resolution, 0);
  EXPECT_EQ(tags.resolution_unit, 0);
  EXPECT_FALSE(info.nodata || info.has_mask || info.alpha_band());
  EXPECT_TRUE(info.notes.empty());
}

TEST(TiffInfo, MetadataThatIsNotCarriedOverIsNamedByItsKinds) {
  const TiffInfo drone = info_of(TestPage{}, [](TIFF* tiff) {
    TIFFSetField(tiff, TIFFTAG_GPSIFD, uint64_t{8});
    TIFFSetField(tiff, TIFFTAG_EXIFIFD, uint64_t{8});
  });
  EXPECT_EQ(drone.notes,
            std::vector<std::string>{
                "its metadata of the kind EXIF, GPS is not in the result; keep the scene for it"});
  const TiffInfo edited = info_of(TestPage{}, [](TIFF* tiff) {
    const uint32_t words[2] = {};
    TIFFSetField(tiff, TIFFTAG_RICHTIFFIPTC, 2, words);
    TIFFSetField(tiff, TIFFTAG_PHOTOSHOP, 8, words);
  });
  EXPECT_EQ(edited.notes,
            std::vector<std::string>{
                "its metadata of the kind IPTC, Photoshop is not in the result; keep the scene for it"});
}

TEST(TiffInfo, NodataThatTheSamplesCanHoldIsANumber) {
  const TestPage u8, i8 = page_of(8, SAMPLEFORMAT_INT), i16 = page_of(16, SAMPLEFORMAT_INT),
                     f32 = page_of(32, SAMPLEFORMAT_IEEEFP), f64 = page_of(64, SAMPLEFORMAT_IEEEFP),
                     u4 = page_of(4, SAMPLEFORMAT_UINT), u12 = page_of(12, SAMPLEFORMAT_UINT);
  EXPECT_EQ(info_with_nodata(u8, "255").nodata, 255);
  EXPECT_EQ(info_with_nodata(u8, " 0 ").nodata, 0);
  EXPECT_EQ(info_with_nodata(u8, " 0 ").tags.gdal_nodata, " 0 ");
  EXPECT_EQ(info_with_nodata(i8, "-128").nodata, -128);
  EXPECT_EQ(info_with_nodata(i16, "-9.999e3").nodata, -9999);
  EXPECT_EQ(info_with_nodata(f32, "0.1").nodata, static_cast<double>(0.1f));
  EXPECT_EQ(info_with_nodata(f32, "-3.4028235e+38").nodata, -static_cast<double>(3.4028234663852886e38f));
  EXPECT_EQ(info_with_nodata(f32, "-inf").nodata, -INFINITY);
  EXPECT_TRUE(std::isnan(*info_with_nodata(f32, "nan").nodata));
  EXPECT_EQ(info_with_nodata(f64, "1e300").nodata, 1e300);
  EXPECT_EQ(info_with_nodata(u12, "4095").nodata, 4095);
  EXPECT_EQ(info_with_nodata(u4, "15").nodata, 255);  // scaled as the samples are
  EXPECT_EQ(info_with_nodata(u4, "15").tags.gdal_nodata, "255");
}

TEST(TiffInfo, NodataThatTheTypeCannotHoldHidesNothingAndIsCarriedOver) {
  for (const std::string text : {"-9999", "256", "255.5", "-0.5", "nan", "inf"}) {
    const TiffInfo info = info_with_nodata(TestPage{}, text);
    EXPECT_FALSE(info.nodata) << text;
    EXPECT_EQ(info.tags.gdal_nodata, text);
    ASSERT_EQ(info.notes.size(), 1u) << text;
    EXPECT_NE(info.notes[0].find("'" + text + "' hides nothing"), std::string::npos) << info.notes[0];
  }
}

// What GDAL 3.6 and 3.10 hide of such files (tests/tools/mask_judge.py asks it).
TEST(TiffInfo, NodataIsTheNumberThatTheTextBeginsWith) {
  const TestPage u8, f32 = page_of(32, SAMPLEFORMAT_IEEEFP), i16 = page_of(16, SAMPLEFORMAT_INT);
  for (const auto& [page, text, value] :
       std::vector<std::tuple<TestPage, std::string, double>>{{u8, "0 0 0", 0},
                                                              {u8, "0.5", 0},
                                                              {u8, "1,2", 1},
                                                              {u8, "0x10", 16},
                                                              {u8, "abc", 0},
                                                              {u8, "12abc", 12},
                                                              {i16, "-9999.7", -9999},
                                                              {f32, "-1.797e308", -INFINITY},
                                                              {f32, "1e300", INFINITY}}) {
    const TiffInfo info = info_with_nodata(page, text);
    EXPECT_EQ(info.nodata, value) << text;
    EXPECT_EQ(info.tags.gdal_nodata, text);
    EXPECT_EQ(info.notes.size(), text == "abc" ? 1u : 0u) << text;
  }
}

TEST(TiffInfo, ExtraSamplesTellOfAllBandsPastTheColours) {
  TestPage page;
  page.bands = 5;
  page.photometric = PHOTOMETRIC_RGB;
  const uint16_t kinds[] = {EXTRASAMPLE_UNSPECIFIED, EXTRASAMPLE_UNASSALPHA};
  const uint16_t four[] = {EXTRASAMPLE_UNSPECIFIED, EXTRASAMPLE_UNSPECIFIED, EXTRASAMPLE_UNSPECIFIED,
                           EXTRASAMPLE_ASSOCALPHA};
  const TiffInfo rgb = info_of(page, [&](TIFF* t) { TIFFSetField(t, TIFFTAG_EXTRASAMPLES, 2, kinds); });
  EXPECT_EQ(rgb.extra_samples, (std::vector<uint16_t>{0, 2}));
  EXPECT_FALSE(rgb.alpha_band()) << "GDAL takes the last of 2 or 4 bands alone";
  page.photometric = PHOTOMETRIC_MINISBLACK;
  const TiffInfo grey = info_of(page, [&](TIFF* t) { TIFFSetField(t, TIFFTAG_EXTRASAMPLES, 4, four); });
  EXPECT_EQ(grey.extra_samples, (std::vector<uint16_t>{0, 0, 0, 1}));
  EXPECT_FALSE(grey.alpha_band());
  page.bands = 4;
  page.photometric = PHOTOMETRIC_RGB;
  const TiffInfo long_list = info_of(page, [&](TIFF* t) { TIFFSetField(t, TIFFTAG_EXTRASAMPLES, 2, kinds); });
  EXPECT_EQ(long_list.extra_samples, (std::vector<uint16_t>{2}));
  page.bands = 5;
  page.photometric = PHOTOMETRIC_SEPARATED;
  const TiffInfo inks = info_of(page, [](TIFF*) {});
  EXPECT_EQ(inks.extra_samples, (std::vector<uint16_t>{0}));
  EXPECT_FALSE(inks.alpha_band());
}

TEST(TiffInfo, BandThatGdalCallsUndefinedIsNoAlpha) {
  TestPage page;
  page.bands = 4;
  page.photometric = PHOTOMETRIC_RGB;
  for (const std::string meaning : {"Undefined", "Alpha"}) {
    const std::string metadata =
        "<GDALMetadata>\n  <Item name=\"COLORINTERP\" sample=\"2\" role=\"colorinterp\">Blue</Item>\n"
        "  <Item name=\"COLORINTERP\" sample=\"3\" role=\"colorinterp\">" +
        meaning + "</Item>\n</GDALMetadata>";
    const TiffInfo info = info_of(page, [&](TIFF* tiff) {
      const uint16_t alpha = EXTRASAMPLE_UNASSALPHA;
      TIFFSetField(tiff, TIFFTAG_EXTRASAMPLES, 1, &alpha);
      TIFFSetField(tiff, kTagGdalMetadata, metadata.c_str());
    });
    EXPECT_EQ(info.alpha_band().has_value(), meaning == "Alpha");
  }
}

// A file of the page and a second one of the given kind.
void write_two_pages(const std::string& path, const TestPage& second, uint32_t kind,
                     const TestPage& first = {}) {
  TIFF* tiff = TIFFOpen(path.c_str(), "w");
  set_layout(tiff, first);
  EXPECT_TRUE(write_blocks(tiff, first));
  set_layout(tiff, second);
  TIFFSetField(tiff, TIFFTAG_SUBFILETYPE, kind);
  EXPECT_TRUE(write_blocks(tiff, second));
  TIFFClose(tiff);
}

TEST(TiffInfo, MaskPageFillsTheMask) {
  const TestFolder folder;
  for (const uint16_t bits : std::initializer_list<uint16_t>{1, 8}) {
    TestPage mask;
    mask.bits = bits;
    mask.tile = 32;
    mask.photometric = PHOTOMETRIC_MASK;
    write_two_pages(folder / "a.tif", mask, FILETYPE_MASK);
    TiffReader reader(folder / "a.tif");
    EXPECT_TRUE(reader.info().has_mask);
    EXPECT_TRUE(reader.info().notes.empty());
    const Raster raster = reader.read({3, 5, 40, 30});
    ASSERT_EQ(raster.mask.size(), 1200u);
    for (uint32_t i = 0; i < 1200; ++i) {
      ASSERT_EQ(raster.mask[i] != 0, mask.stored(3 + i % 40, 5 + i / 40, 0) != 0);
    }
  }
}

// GDAL hides of each band what its own mask says, which one mask page of a result cannot.
TEST(TiffInfo, AMaskForEachBandIsRefusedWithTwoWaysOut) {
  const TestFolder folder;
  TestPage picture, mask;
  picture.bands = mask.bands = 3;
  write_two_pages(folder / "a.tif", mask, FILETYPE_MASK, picture);
  const auto refused = [&](const char* part) {
    expect_error(Error::Kind::unsupported, part, [&] { TiffReader reader(folder / "a.tif"); });
  };
  refused("a mask for each band");
  refused("gdal_translate -mask 1 makes it the first band's, -b 1 -mask 1, -b 2 -mask 2, ... a file of each");
  ASSERT_TRUE(write_tiff(folder / "a.tif", picture));
  TIFF* beside = TIFFOpen((folder / "a.tif.msk").c_str(), "w");
  set_layout(beside, mask);
  TIFFSetField(beside, kTagGdalMetadata,
               "<GDALMetadata><Item name=\"INTERNAL_MASK_FLAGS_1\">0</Item></GDALMetadata>");
  ASSERT_TRUE(write_blocks(beside, mask));
  TIFFClose(beside);
  refused("a mask for each band");
}

TEST(TiffInfo, FurtherPagesAreNotedUnlessTheyAreOverviewsOrTheirMasks) {
  const TestFolder folder;
  TestPage smaller;
  smaller.width = 20;
  smaller.bits = 1;
  for (const uint32_t kind :
       {0u, uint32_t{FILETYPE_REDUCEDIMAGE}, uint32_t{FILETYPE_MASK | FILETYPE_REDUCEDIMAGE}}) {
    write_two_pages(folder / "a.tif", smaller, kind);
    const TiffInfo info = TiffReader(folder / "a.tif").info();
    EXPECT_FALSE(info.has_mask);
    const std::vector<std::string> note = {"holds 1 further page; only the first is processed"};
    EXPECT_EQ(info.notes, kind == 0 ? note : std::vector<std::string>{});
  }
}

TEST(TiffInfo, DirectoriesInALoopAreReadOnce) {
  const TestFolder folder;
  ASSERT_TRUE(write_tiff(folder / "a.tif", TestPage{}, "wl"));
  std::vector<char> bytes = contents_of(folder / "a.tif");
  uint32_t directory = 0;
  std::memcpy(&directory, &bytes[4], 4);
  uint16_t entries = 0;
  std::memcpy(&entries, &bytes[directory], 2);
  std::memcpy(&bytes[directory + 2 + 12u * entries], &directory, 4);
  write_bytes(folder / "a.tif", bytes);
  TiffReader reader(folder / "a.tif");
  EXPECT_EQ(reader.info().notes.size(), 1u);
  EXPECT_FALSE(reader.read({0, 0, 53, 41}).samples.empty());
}

}  // namespace
}  // namespace sr
