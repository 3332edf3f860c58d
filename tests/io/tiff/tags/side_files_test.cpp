// Files beside a TIFF: which of them says where the picture lies, and what the user is told of the others.
#include "io/tiff/tags/side_files.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <random>

#include "io/tiff/input/reader.h"
#include "io/tiff/tags/georeference.h"
#include "tests/io/tiff/tags/side_files_fixture.h"

namespace sr {
namespace {

std::string rpc_text(const std::string& line_offset) {
  std::string text = "LINE_OFF: " + line_offset + " pixels\n";
  for (const char* name : {"SAMP_OFF", "LAT_OFF", "LONG_OFF", "HEIGHT_OFF", "LINE_SCALE", "SAMP_SCALE",
                           "LAT_SCALE", "LONG_SCALE", "HEIGHT_SCALE"})
    text += std::string(name) + ": +0012.50\n";
  for (const char* name : {"LINE_NUM_COEFF", "LINE_DEN_COEFF", "SAMP_NUM_COEFF", "SAMP_DEN_COEFF"})
    for (int i = 1; i <= 20; ++i)
      text += std::string(name) + "_" + std::to_string(i) + ":  " + std::to_string(i) + "E-02\r\n";
  return text;
}

TEST_F(SideFiles, AWorldFileGivesTheCentreOfTheFirstPixel) {
  for (const char* name : {"a.tfw", "a.TFW", "a.Tfw", "a.tifw", "a.wld"}) {
    write(name, kWorld);
    EXPECT_EQ(geo_transform_of(read()), kWorldGrid) << name;
    EXPECT_EQ(geo_transform_of(read(of_points({}))), kWorldGrid) << name;
    std::filesystem::remove(folder_ / name);
  }
  EXPECT_FALSE(geo_transform_of(read()));
}

TEST_F(SideFiles, AWorldFileIsNamedByTheExtensionOfItsPicture) {
  write("a.bw", kWorld);
  write("a.tiffw", "1\n0\n0\n-1\n0.5\n-0.5\n");
  EXPECT_FALSE(geo_transform_of(read()));
  EXPECT_EQ(geo_transform_of(read({}, "a.tiff")), (GeoTransform{0, 1, 0, 0, 0, -1}));
  write("a.tfw", kWorld);
  EXPECT_EQ(geo_transform_of(read({}, "a.tiff")), kWorldGrid) << "the first of them";
}

TEST_F(SideFiles, WorldFilesAreReadLineByLineAsGdalReadsThem) {
  write("a.tfw", "10 0 0 -12 505 594\n");
  EXPECT_FALSE(geo_transform_of(read())) << "all in one line";
  write("a.wld", "\r\n 10,5 metres\r\n\r\n0\r\n0\r\n-12\r\n505,25\r\n594\r\nmore\r\n");
  EXPECT_EQ(geo_transform_of(read()), (GeoTransform{500, 10.5, 0, 600, 0, -12})) << "the next one";
  for (const char* bad :
       {"", "0\n0\n0\n-1\n5\n5\n", "1\n0\n0\n0\n5\n5\n", "1\n0\n0\n-1\nnan\n5\n", "1\n0\n0\n-1\n5\n"}) {
    write("a.wld", bad);
    EXPECT_FALSE(geo_transform_of(read())) << bad;
  }
}

TEST_F(SideFiles, AWorldFileComesBeforeControlPointsAndBehindAGrid) {
  write("a.tfw", kWorld);
  EXPECT_EQ(geo_transform_of(read(with_grid())), geo_transform_of(with_grid()));
  const SceneTags tags = read(with_points());
  EXPECT_EQ(geo_transform_of(tags), kWorldGrid);
  EXPECT_EQ(tags.tiepoints.size(), 6u);
  EXPECT_TRUE(notes_.empty());
}

TEST_F(SideFiles, AnExtendedWorldFileIsNamedWhereItWouldBeOfUse) {
  write("a.tfwx", kWorld);
  EXPECT_FALSE(geo_transform_of(read()));
  EXPECT_EQ(notes_,
            std::vector<std::string>{
                "a.tfwx beside it is not read (nor does GDAL read it); copy it to a.tfw to have it used"});
  read(with_grid());
  EXPECT_TRUE(notes_.empty());
}

TEST_F(SideFiles, TagsThatContradictTheGridAreDropped) {
  SceneTags tags = with_grid();
  tags.transformation.assign(16, 1);
  EXPECT_TRUE(read(tags).transformation.empty());
}

constexpr const char* kTab =
    "!table\n!version 300\n\nDefinition Table\n  File \"a.tif\"\n  Type \"RASTER\"\n"
    "  (500,600) (0,0) Label \"Pt 1\",\n  (600,600) (10,0) Label \"Pt 2\",\n  (500,540) (0,5) Label \"Pt "
    "3\"\n";

TEST_F(SideFiles, ATabFileGivesTheGridOfItsPointsBeforeTheWorldFile) {
  write("a.tfw", "1\n0\n0\n-1\n5\n5\n");
  write("a.TAB", kTab);
  const auto grid = geo_transform_of(read(of_points(with_points())));
  ASSERT_TRUE(grid);
  for (size_t i = 0; i < 6; ++i) EXPECT_NEAR((*grid)[i], kWorldGrid[i], 1e-10);
  EXPECT_EQ(geo_transform_of(read(with_grid())), geo_transform_of(with_grid()));
}

TEST_F(SideFiles, PointsOfATabFileThatLieOnNoGridAreControlPoints) {
  write("a.tab", std::string(kTab) + "  (900,600) (10,5) Label \"far off\"\n");
  const SceneTags tags = read(of_points({}));
  ASSERT_EQ(tags.tiepoints.size(), 24u);
  EXPECT_EQ((std::vector<double>(tags.tiepoints.begin() + 18, tags.tiepoints.end())),
            (std::vector<double>{9.5, 4.5, 0, 900, 600, 0}));
  EXPECT_EQ(read(with_points()).tiepoints, with_points().tiepoints) << "the TIFF's own go before";
  write("a.tfw", kWorld);
  EXPECT_EQ(geo_transform_of(read()), kWorldGrid);
  EXPECT_EQ(notes_, std::vector<std::string>{
                        "its ground control points are left out: a TIFF has none beside a grid"});
}

TEST_F(SideFiles, ATabFileOfATableOfOtherThingsIsNotOne) {
  write("a.tab", "Definition Table\n  Type NATIVE\n  (1,2) (0,0) Label \"a\",\n (3,4) (5,6) Label \"b\"\n");
  EXPECT_FALSE(geo_transform_of(read()));
}

TEST_F(SideFiles, ATabFilesCoordinateSystemBecomesGeoKeysOrIsNamed) {
  const std::string tab = kTab;
  const auto code = [&](const std::string& system) -> int {
    write("a.tab", tab + "  CoordSys Earth Projection " + system + "\n");
    const SceneTags tags = read();
    return tags.geo_key_directory.empty() ? 0 : tags.geo_key_directory.back();
  };
  EXPECT_EQ(code("1, 104"), 4326);
  EXPECT_EQ(code("8, 104, \"m\", -177, 0, 0.9996, 500000, 10000000"), 32701);
  EXPECT_EQ(code("8, 115, \"m\", 9, 0, 0.9996, 500000, 0"), 25832);
  EXPECT_EQ(code("8, 74, \"m\", -93, 0, 0.9996, 500000, 0\n  Units \"degree\""), 4269);
  EXPECT_TRUE(notes_.empty());
  for (const char* other :
       {"8, 104, \"m\", 10, 0, 0.9996, 500000, 0", "8, 104, \"m\", 9, 0, 1, 500000, 0",
        "8, 115, \"m\", 9, 0, 0.9996, 500000, 10000000", "3, 33, \"m\", 1, 2, 3, 4, 5, 6", "8, 104"}) {
    EXPECT_EQ(code(other), 0) << other;
    EXPECT_EQ(notes_, std::vector<std::string>{"the coordinate system in a.tab beside it is not taken over; "
                                               "gdal_translate OLD.tif NEW.tif writes it into the TIFF"});
  }
}

TEST_F(SideFiles, TheRpcOfATextBecomesTheTag) {
  write("a_RPC.TXT", rpc_text("+001234.75"));
  SceneTags own;
  own.rpc.assign(92, 5);
  for (const SceneTags& tags : {read(), read(own)}) {
    ASSERT_EQ(tags.rpc.size(), 92u);
    EXPECT_EQ(tags.rpc[0], -1) << "unknown";
    EXPECT_EQ(tags.rpc[2], 1234.75);
    EXPECT_EQ(tags.rpc[3], 12.5);
    EXPECT_EQ(tags.rpc[12], 0.01);
    EXPECT_EQ(tags.rpc[91], 0.2);
    EXPECT_TRUE(notes_.empty());
  }
  write("a_RPC.TXT", "LINE_OFF: 3\n");
  EXPECT_EQ(read(own).rpc, own.rpc);
  EXPECT_EQ(notes_,
            std::vector<std::string>{"a_RPC.TXT beside it is not used: it is damaged or lacks something"});
}

// The first vendor whose files are there, as in GDAL: an .IMD without .RPB hides a _RPC.TXT.
TEST_F(SideFiles, VendorsAreAskedInGdalsOrder) {
  write("a.rpc", rpc_text("60"));
  EXPECT_EQ(read().rpc[2], 60);
  write("a_rpc.txt", rpc_text("30"));
  EXPECT_EQ(read().rpc[2], 30);
  write("a.imd", "version = \"R\";\n");
  EXPECT_TRUE(read().rpc.empty());
  EXPECT_EQ(notes_, std::vector<std::string>{
                        "the vendor's metadata in a.imd beside it is not in the result; keep it"});
  std::string rpb = "BEGIN_GROUP = IMAGE\n\terrBias = 2.5;\n";
  for (const char* name : {"lineOffset", "sampOffset", "latOffset", "longOffset", "heightOffset", "lineScale",
                           "sampScale", "latScale", "longScale", "heightScale"})
    rpb += std::string("\t") + name + " = 40;\n";
  for (const char* name : {"lineNumCoef", "lineDenCoef", "sampNumCoef", "sampDenCoef"}) {
    rpb += std::string("\t") + name + " = (\n";
    for (int i = 1; i <= 20; ++i) rpb += "\t\t" + std::to_string(i) + (i < 20 ? "e-3,\n" : "e-3);\n");
  }
  write("a.RPB", rpb + "END_GROUP = IMAGE\nEND;\n");
  const SceneTags tags = read();
  ASSERT_EQ(tags.rpc.size(), 92u);
  EXPECT_EQ(tags.rpc[0], 2.5);
  EXPECT_EQ(tags.rpc[2], 40);
  EXPECT_EQ(tags.rpc[91], 0.02);
}

TEST_F(SideFiles, WhatIsNotReadIsNamedInOneLine) {
  for (const char* other : {"a.tif.ovr", "b.tif.msk", "a.msk", "a.txt", "a.xml", "b_RPC.TXT", "a.prj"})
    write(other, "x");
  read();
  EXPECT_TRUE(notes_.empty());
  write("a.aux", "EHFA_HEADER_TAG");
  read();
  EXPECT_EQ(notes_, std::vector<std::string>{
                        "a.aux beside it is not read; gdal_translate OLD.tif NEW.tif makes one file of all"});
}

TEST_F(SideFiles, MetadataOfEveryVendorIsNamed) {
  const struct {
    const char *picture, *file, *text;
  } deliveries[] = {
      {"a.tif", "a.IMD", ""},
      {"a.tif", "a.XML", "<?xml version=\"1.0\"?><isd></isd>"},
      {"po_1_rgb_0.tif", "po_1_metadata.txt", ""},
      {"LC8_B4.TIF", "LC8_MTL.txt", ""},
      {"IMG_PHR_R1C1.TIF", "DIM_PHR.XML", ""},
      {"IMG_PHR_R1C1.TIF", "DIM_PHR_R1C1.XML", ""},
      {"IMAGERY.TIF", "METADATA.DIM", ""},
      {"a.tif", "a.xml", "<MSP_ROOT></MSP_ROOT>"},
      {"a.tif", "a_metadata.xml", "<re:EarthObservation/>"},
      {"a.tif", "a.pass", ""},
      {"IMG-01-ALAV2.tif", "summary.txt", ""},
  };
  for (const auto& [picture, file, text] : deliveries) {
    write(file, text);
    read({}, picture);
    EXPECT_EQ(notes_, std::vector<std::string>{std::string("the vendor's metadata in ") + file +
                                               " beside it is not in the result; keep it"});
    std::filesystem::remove(folder_ / file);
  }
  write("HDRALAV2.txt", "");
  write("RPCALAV2.txt", "");
  read({}, "IMG-01ALAV2.tif");
  ASSERT_EQ(notes_.size(), 2u);
  EXPECT_TRUE(notes_[0].starts_with("RPCALAV2.txt beside it is not read; gdal_translate "));
}

TEST_F(SideFiles, InAFolderOfManyFilesTheyAreFoundByTheirUsualNames) {
  for (int i = 0; i < 1001; ++i) write("other" + std::to_string(i), "");
  write("a.TFW", kWorld);
  EXPECT_EQ(geo_transform_of(read()), kWorldGrid);
}

TEST_F(SideFiles, AnyBytesAreEitherReadOrLeft) {
  const std::string bits[] = {"<PAMDataset>",
                              "<GCPList>",
                              "<GCP Pixel=\"",
                              "\"",
                              "/>",
                              "=",
                              "(",
                              ";",
                              "LINE_OFF",
                              ":",
                              "\n",
                              "lineNumCoef",
                              "Label",
                              "RASTER",
                              "Type ",
                              "Definition Table\n",
                              "CoordSys Earth Projection 8, 104",
                              "1e999",
                              "-1,5",
                              std::string(1, '\0'),
                              "<isd>",
                              "<RPB><IMAGE>",
                              "999999999999999999999999"};
  std::mt19937 random(1);
  for (int i = 0; i < 60; ++i) {
    for (const char* name : {"a.tab", "a.tfw", "a.tif.aux.xml", "a_RPC.TXT", "a.RPB", "a.xml"}) {
      std::string text;
      for (auto n = random() % 40; n > 0; --n) text += bits[random() % std::size(bits)];
      write(name, text);
    }
    read(i % 2 ? with_points() : SceneTags());
  }
}

TEST_F(SideFiles, TheReaderTakesThemIn) {
  ASSERT_TRUE(write_tiff(folder_ / "a.tif", TestPage{}));
  write("a.tfw", kWorld);
  write("a.aux", "EHFA_HEADER_TAG");
  const TiffInfo info = TiffReader(folder_ / "a.tif").info();
  EXPECT_EQ(geo_transform_of(info.tags), kWorldGrid);
  EXPECT_EQ(info.notes.size(), 1u);
}

}  // namespace
}  // namespace sr
