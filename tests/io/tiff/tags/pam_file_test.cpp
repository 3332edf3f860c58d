// NAME.tif.aux.xml beside a TIFF: what of it becomes the TIFF's, is refused or is told.
#include "io/tiff/tags/pam_file.h"

#include <map>
#include <tuple>

#include "tests/io/tiff/tags/side_files_fixture.h"
#include "tests/support/expect_error.h"

namespace sr {
namespace {

class AuxXml : public SideFiles {};

constexpr const char* kWkt = "GEOGCS[\"WGS 84\",UNIT[\"degree\",0.017],AUTHORITY[\"EPSG\",\"4326\"]]";

TEST_F(AuxXml, TheAuxXmlGoesBeforeTheTiff) {
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

TEST_F(AuxXml, ControlPointsOfTheAuxXmlGoBeforeTheGridOfTheTiff) {
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
TEST_F(AuxXml, TheEpochOfTheAuxXmlsCoordinatesIsAKeyOfTheTags) {
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

TEST_F(AuxXml, ANodataValueOfAllBandsInTheAuxXmlGoesBeforeTheTiffs) {
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

TEST_F(AuxXml, BandsWithDifferentNodataValuesAreRefused) {
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
TEST_F(AuxXml, NodataOfTheAuxXmlIsTheDoubleAndNotItsFifteenDigits) {
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

TEST_F(AuxXml, NodataValuesOfTheAuxXmlGoBeforeThoseOfTheTiff) {
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
TEST_F(AuxXml, CategoriesAndAttributeTablesAreNamedAsWhatNoTiffHolds) {
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

TEST_F(AuxXml, WhatIsLostOfAnAuxXmlIsNamedButNotStatistics) {
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

}  // namespace
}  // namespace sr
