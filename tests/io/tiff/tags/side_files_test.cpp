// Files beside a TIFF: which of them says where the picture lies, and what the user is told of the others.
#include "io/tiff/tags/side_files.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <random>

#include "io/tiff/input/reader.h"
#include "io/tiff/tags/georeference.h"
#include "tests/io/tiff/samples.h"
#include "tests/support/expect_error.h"

namespace sr {
namespace {

class SideFiles : public testing::Test {
 protected:
  void write(const std::string& name, const std::string& text) {
    write_bytes(folder_ / name, {text.begin(), text.end()});
  }

  // What the tags of a TIFF become.
  SceneTags read(SceneTags tags = {}, const std::string& name = "a.tif", int bands = 1) {
    notes_.clear();
    read_side_files(folder_ / name, bands, tags, notes_);
    return tags;
  }

  TestFolder folder_;
  std::vector<std::string> notes_;
};

constexpr const char* kWorld = "10\n0\n0\n-12\n505\n594\n";  // pixels of 10 x 12 from (500, 600)
const GeoTransform kWorldGrid = {500, 10, 0, 600, 0, -12};

SceneTags with_grid() {
  SceneTags tags;
  set_geo_transform(tags, {1, 2, 0, 3, 0, -4});
  return tags;
}

SceneTags with_points() {
  SceneTags tags;
  tags.tiepoints = {0, 0, 0, 7, 8, 0, 9, 1, 0, 9, 9, 0, 2, 7, 0, 4, 4, 0};
  return tags;
}

SceneTags of_points(SceneTags tags) {
  tags.geo_key_directory = {1, 1, 0, 1, 1025, 0, 1, 2};
  tags.pixel_is_point = true;
  return tags;
}

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

constexpr const char* kWkt = "GEOGCS[\"WGS 84\",UNIT[\"degree\",0.017],AUTHORITY[\"EPSG\",\"4326\"]]";

TEST_F(SideFiles, TheAuxXmlGoesBeforeTheTiff) {
  write("a.tif.aux.xml",
        std::string("<PAMDataset><SRS>") + kWkt +
            "</SRS><GeoTransform> 1.0e+00, 2, 0.5,\n3, 0.25, -4</GeoTransform></PAMDataset>");
  write("a.tfw", kWorld);
  for (const SceneTags& own : {SceneTags(), of_points(with_grid())}) {
    const SceneTags tags = read(own);
    EXPECT_EQ(geo_transform_of(tags), (GeoTransform{1, 2, 0.5, 3, 0.25, -4}));
    EXPECT_EQ(tags.geo_key_directory.back(), 4326);
    EXPECT_TRUE(notes_.empty());
  }
  read(with_points());
  EXPECT_EQ(notes_.size(), 1u) << "that control points are left out";
}

TEST_F(SideFiles, ControlPointsOfTheAuxXmlGoBeforeTheGridOfTheTiff) {
  write("a.tif.aux.xml",
        "<PAMDataset><SRS>EPSG:32631</SRS><GCPList Projection=\"EPSG:4258\"><GCP Id=\"1\" Pixel=\"0.5\" "
        "Line=\"1\" X=\"2\" "
        "Y=\"3\" Z=\"4\"/></GCPList></PAMDataset>");
  const SceneTags tags = read(of_points(with_grid()));
  EXPECT_FALSE(geo_transform_of(tags));
  EXPECT_EQ(tags.tiepoints, (std::vector<double>{0, 0.5, 0, 2, 3, 4}));
  EXPECT_EQ(tags.geo_key_directory.back(), 4258);
}

// gdalinfo shows it as "Coordinate epoch: 2021.3".
TEST_F(SideFiles, TheEpochOfTheAuxXmlsCoordinatesIsAKeyOfTheTags) {
  const std::string grid = "<GeoTransform>5, 1e-5, 0, 45, 0, -1e-5</GeoTransform>";
  write("a.tif.aux.xml",
        "<PAMDataset><SRS coordinateEpoch=\"2021.3\">EPSG:32631</SRS>" + grid + "</PAMDataset>");
  SceneTags tags = read();
  EXPECT_EQ(std::vector<uint16_t>(tags.geo_key_directory.end() - 4, tags.geo_key_directory.end()),
            (std::vector<uint16_t>{5120, 34736, 1, 0}));
  EXPECT_EQ(tags.geo_key_directory[3], (tags.geo_key_directory.size() - 4) / 4);
  EXPECT_EQ(tags.geo_double_params, std::vector<double>{2021.3});
  write("a.tif.aux.xml",
        "<PAMDataset><SRS coordinateEpoch=\"2010\">EPSG:32631</SRS>" + grid + "</PAMDataset>");
  const size_t keys = tags.geo_key_directory.size();
  tags = read(tags);
  EXPECT_EQ(tags.geo_double_params, std::vector<double>{2010});
  EXPECT_EQ(tags.geo_key_directory.size(), keys);
  EXPECT_TRUE(notes_.empty());
}

std::string band_nodata(int i, const std::string& value, const std::string& hex = "") {
  return "<PAMRasterBand band=\"" + std::to_string(i) + "\"><NoDataValue le_hex_equiv=\"" + hex + "\">" +
         value + "</NoDataValue></PAMRasterBand>";
}

TEST_F(SideFiles, ANodataValueOfAllBandsInTheAuxXmlGoesBeforeTheTiffs) {
  SceneTags own;
  own.gdal_nodata = "9";
  write("a.tif.aux.xml", "<PAMDataset>" + band_nodata(1, "7") + band_nodata(2, "7.0") + "</PAMDataset>");
  EXPECT_EQ(read(own, "a.tif", 2).gdal_nodata, "7");
  write("a.tif.aux.xml", "<PAMDataset>" + band_nodata(2, "9.0") + band_nodata(3, "9") + "</PAMDataset>");
  EXPECT_EQ(read(own, "a.tif", 3).gdal_nodata, "9") << "the first band's is the TIFF's";
  write("a.tif.aux.xml", "<PAMDataset>" + band_nodata(1, "") + band_nodata(4, "7") + "</PAMDataset>");
  EXPECT_EQ(read(own, "a.tif", 3).gdal_nodata, "9") << "of none of the bands";
  EXPECT_TRUE(notes_.empty());
}

TEST_F(SideFiles, BandsWithDifferentNodataValuesAreRefused) {
  const auto refused = [&](const std::string& values, SceneTags own, int bands, const std::string& lines) {
    write("a.tif.aux.xml", "<PAMDataset>" + lines + "</PAMDataset>");
    expect_error(Error::Kind::unsupported,
                 "a.tif': its bands have different nodata values by a.tif.aux.xml beside it (" + values +
                     "), for which a TIFF has no place; take the bands apart: gdal_translate -b 1",
                 [&] { read(std::move(own), "a.tif", bands); });
  };
  refused("10, 121, 200", {}, 3, band_nodata(1, "10") + band_nodata(2, "121") + band_nodata(3, "200"));
  refused("none, 7", {}, 3, band_nodata(2, "7"));
  SceneTags own;
  own.gdal_nodata = "9";
  refused("7, 9", own, 2, band_nodata(1, "7"));
}

// What GDAL 3.6 writes: le_hex_equiv are the eight bytes of the double.
TEST_F(SideFiles, NodataOfTheAuxXmlIsTheDoubleAndNotItsFifteenDigits) {
  for (const auto& [text, hex, exact] :
       {std::tuple{"-1.79769313486232E+308", "FFFFFFFFFFFFEFFF", "-1.7976931348623157e+308"},
        {"-3.40282346638529E+38", "000000E0FFFFEFC7", "-3.4028234663852886e+38"},
        {"0.333333333333333", "555555555555D53F", "0.3333333333333333"},
        {"121", "0000000000000000", "0"},
        {"-9999", "000000008087C3C0", "-9999"},
        {"-9999.0", "000000008087C3C0", "-9999.0"},
        {"nan", "000000000000F87F", "nan"},
        {"7", "", "7"},
        {"7", "00000000001C40", "7"},
        {"7", "0000000000001C4x", "7"}}) {
    write("a.tif.aux.xml", "<PAMDataset>" + band_nodata(1, text, hex) + "</PAMDataset>");
    EXPECT_EQ(read().gdal_nodata, exact) << text << " " << hex;
  }
}

TEST_F(SideFiles, NodataValuesOfTheAuxXmlGoBeforeThoseOfTheTiff) {
  write("a.tif.aux.xml",
        "<PAMDataset><Metadata><MDI key=\"AREA_OR_POINT\">Area</MDI><MDI key=\"NODATA_VALUES\">7 8 9</MDI>"
        "</Metadata></PAMDataset>");
  const std::string item = "  <Item name=\"NODATA_VALUES\">7 8 9</Item>\n</GDALMetadata>";
  for (const char* own : {"", "<GDALMetadata><Item name=\"NODATA_VALUES\">1 2 3</Item></GDALMetadata>",
                          "<GDALMetadata><Item"}) {
    SceneTags tags;
    tags.gdal_metadata = own;
    tags = read(tags, "a.tif", 3);
    EXPECT_NE(tags.gdal_metadata.find(item), std::string::npos) << tags.gdal_metadata;
    EXPECT_EQ(tags.gdal_metadata.find("1 2 3"), std::string::npos) << tags.gdal_metadata;
    EXPECT_TRUE(notes_.empty());
  }
  SceneTags tags;
  tags.gdal_metadata = "<GDALMetadata><Item name=\"SENSOR\">X</Item></GDALMetadata>";
  EXPECT_NE(read(tags, "a.tif", 3).gdal_metadata.find("SENSOR"), std::string::npos);
  write("a.tif.aux.xml",
        "<PAMDataset><Metadata domain=\"x\"><MDI key=\"NODATA_VALUES\">7</MDI></Metadata></PAMDataset>");
  EXPECT_EQ(read({}).gdal_metadata, "");
  EXPECT_EQ(notes_.size(), 1u);
}

// gdal_translate would lay them beside its result again.
TEST_F(SideFiles, CategoriesAndAttributeTablesAreNamedAsWhatNoTiffHolds) {
  const std::string names = "<CategoryNames><Category>town</Category></CategoryNames>",
                    table = "<GDALRasterAttributeTable><FieldDefn/></GDALRasterAttributeTable>";
  const auto notes = [&](const std::string& inner) {
    write("a.tif.aux.xml",
          "<PAMDataset><PAMRasterBand band=\"1\">" + inner + "</PAMRasterBand></PAMDataset>");
    read();
    return notes_;
  };
  const std::string end = " not in the result, for a TIFF has no place for such; keep that file";
  using Lines = std::vector<std::string>;
  EXPECT_EQ(notes(names), Lines{"the category names in a.tif.aux.xml beside it are" + end});
  EXPECT_EQ(notes(table), Lines{"the attribute table in a.tif.aux.xml beside it is" + end});
  EXPECT_EQ(notes(names + table),
            Lines{"the category names and the attribute table in a.tif.aux.xml beside it are" + end});
  EXPECT_EQ(notes("<CategoryNames/>"), Lines{});
}

TEST_F(SideFiles, WhatIsLostOfAnAuxXmlIsNamedButNotStatistics) {
  using Lines = std::vector<std::string>;
  const auto notes = [&](const std::string& inner) {
    write("a.tif.aux.xml", "<PAMDataset>" + inner + "</PAMDataset>");
    read();
    return notes_;
  };
  const std::string statistics =
      "<Metadata><MDI key=\"AREA_OR_POINT\">Area</MDI></Metadata><PAMRasterBand "
      "band=\"1\"><Description></Description>"
      "<Histograms><HistItem/></Histograms><Metadata><MDI "
      "key=\"STATISTICS_MEAN\">1</MDI></Metadata></PAMRasterBand>";
  EXPECT_TRUE(notes(statistics).empty());
  const std::string end = " not taken over; gdal_translate OLD.tif NEW.tif makes one file of all";
  for (const auto& [lost, what] : std::map<std::string, std::string>{
           {"<Metadata><MDI key=\"SENSOR\">X</MDI></Metadata>", "SENSOR"},
           {"<Metadata domain=\"xml:ESRI\"><a/></Metadata>", "xml:ESRI"},
           {"<PAMRasterBand band=\"1\"><Scale>2</Scale></PAMRasterBand>", "Scale"},
           {"<PAMRasterBand band=\"1\"><Description>red</Description></PAMRasterBand>", "Description"},
           {"<Other/>", "Other"}})
    EXPECT_EQ(notes(statistics + lost), Lines{what + " in a.tif.aux.xml beside it is" + end});
  std::string many;
  for (int i = 0; i < 10; ++i)
    many += "<PAMRasterBand><Scale>2</Scale><Metadata domain=\"D\"><MDI key=\"K" + std::to_string(i) +
            "&#10;\"/></Metadata></PAMRasterBand>";
  EXPECT_EQ(notes(many),
            Lines{"D:K0 , D:K1 , D:K2 , D:K3 , D:K4 , D:K5 , and 5 more in a.tif.aux.xml beside it "
                  "are" +
                  end});
  write("a.tif.aux.xml", "<Esri/>");
  read();
  EXPECT_EQ(notes_,
            Lines{"a.tif.aux.xml beside it is not read; gdal_translate OLD.tif NEW.tif makes one file of "
                  "all"});
  EXPECT_EQ(
      notes("<unfinished>"),
      std::vector<std::string>{"a.tif.aux.xml beside it is not used: it is damaged or lacks something"});
  EXPECT_EQ(notes("<SRS>LOCAL_CS[\"here\"]</SRS>"),
            std::vector<std::string>{"the coordinate system in a.tif.aux.xml beside it is not taken over; "
                                     "gdal_translate OLD.tif NEW.tif writes it into the TIFF"});
  write("a.tif.aux.xml", "");
  read();
  EXPECT_TRUE(notes_.empty());
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
