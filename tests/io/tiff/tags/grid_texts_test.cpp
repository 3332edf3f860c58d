#include "io/tiff/tags/grid_texts.h"

#include <gtest/gtest.h>

#include <iterator>
#include <set>

namespace sr {
namespace {

// A text that a row is for, its value on a grid three times as fine ("(out)": left out), and whether the user
// is told. `name` is written as files have it.
struct Case {
  GridText where;
  std::string scope, name, value, fine;
  bool told = false;
};

std::vector<Case> cases() {
  const auto item = GridText::item, xmp = GridText::xmp, description = GridText::description;
  const std::string tiff(kXmpTiff), exif(kXmpExif), pano(kXmpPanorama), dji(kXmpDji), dim(kXmpDimensions);
  std::vector<Case> list = {
      {item, "", "STATISTICS_MEAN", "12.5", "(out)"},
      {item, "IMAGE_STRUCTURE", "INTERLEAVE", "PIXEL", "(out)"},
      {item, "SUBDATASETS", "SUBDATASET_1_NAME", "GTIFF_DIR:1:a.tif", "(out)"},
      {item, "DERIVED_SUBDATASETS", "DERIVED_SUBDATASET_1_NAME", "a", "(out)"},
      {item, "OVERVIEWS", "OVERVIEW_FILE", "a.ovr", "(out)"},
      {item, "", "SUPERRES_FACTOR", "2", "(out)"},
      {item, "RPC", "LINE_OFF", "7", "22"},  // (7 + 1/2) * 3 - 1/2
      {item, "RPC", "SAMP_OFF", " +8.5 pixels", "26.5 pixels"},
      {item, "RPC", "LINE_SCALE", "100", "300"},
      {item, "RPC", "SAMP_SCALE", "unknown", "unknown"},
      {item, "GEOLOCATION", "PIXEL_OFFSET", "2", "6"},
      {item, "GEOLOCATION", "LINE_OFFSET", "1.5", "4.5"},
      {item, "GEOLOCATION", "PIXEL_STEP", "4", "12"},
      {item, "GEOLOCATION", "LINE_STEP", "1", "3"},
      {xmp, tiff, "ImageWidth", "48", "144"},
      {xmp, tiff, "ImageLength", "32", "96"},
      {xmp, tiff, "XResolution", "72/1", "216/1"},
      {xmp, tiff, "YResolution", "72", "216"},
      {xmp, exif, "PixelXDimension", "48", "144"},
      {xmp, exif, "PixelYDimension", "32", "96"},
      {xmp, exif, "FocalPlaneXResolution", "1000/3", "3000/3"},
      {xmp, exif, "FocalPlaneYResolution", "500", "1500"},
      {xmp, pano, "FullPanoWidthPixels", "400", "1200"},
      {xmp, pano, "LargestValidInteriorRectTop", "10", "30"},
      {xmp, dji, "CalibratedFocalLength", "3666.5", "10999.5"},
      {xmp, dji, "CalibratedOpticalCenterX", "2736", "8208"},
      {xmp, dji, "DewarpData", "2018-01-01;1.5", "2018-01-01;1.5", true},
      {xmp, dim, "w", "48", "48", true},
      {xmp, dim, "h", "32", "32", true},
      {description, "", "", R"({"shape": [32, 48, 3]})", ""},
      {description, "", "", R"({"sensor": "a", "shape": [32, 48], "axes": "YX", "gain": [1, 2.5]})",
       R"({"sensor":"a","gain":[1,2.5]})"},
      {description, "", "", R"({"shape": "round", "owner": "me"})", R"({"shape": "round", "owner": "me"})"},
      {description, "", "", R"({"crop": {"shape": [3, 5]}, "x": 1})",
       R"({"crop": {"shape": [3, 5]}, "x": 1})"},
      {description, "", "", "shape=(32, 48)", "", true},
      {description, "", "", "# Pixel_size 172e-6 m x 172e-6 m", "# Pixel_size 172e-6 m x 172e-6 m", true},
      {description, "", "", "ImageJ=1.11a\nimages=5\nslices=5\nunit=um\nmin=0.0\n",
       "ImageJ=1.11a\nunit=um\nmin=0.0\n"},
      {description, "", "", "<?xml version=\"1.0\"?><OME><Pixels SizeX=\"48\"/></OME>\n", "", true},
      {description, "", "", "<ome:OME xmlns:ome=\"x\"></ome:OME>", "", true},
      {description, "", "", "Aperio Image Library v11\n48x32 (256x256) JPEG", "", true},
      {description, "", "", "<?xml?><scn><sizeX/></scn>", "", true},
      {description, "", "", "<PerkinElmer-QPI-ImageDescription></PerkinElmer-QPI-ImageDescription>", "",
       true},
      {description, "", "", "<DataObject ObjectType=\"DPUfsImport\"></DataObject>", "", true}};
  for (const char* name : {"meanProductGSD",
                           "GROUND_SAMPLE_DISTANCE",
                           "PIXEL_SIZE",
                           "Pixel_Spacing",
                           "GRID_CELL_SIZE_REFLECTIVE",
                           "RESOLUTION",
                           "SpatialResolution",
                           "NUMBER_OF_ROWS",
                           "NUM_LINES",
                           "numColumns",
                           "NUM_SAMPLES",
                           "nrows",
                           "ncols",
                           "ROWS",
                           "COLUMNS",
                           "WIDTH",
                           "HEIGHT",
                           "IMAGE_WIDTH",
                           "PRODUCT_IMAGE_HEIGHT",
                           "LINES",
                           "samples",
                           "REFLECTIVE_LINES",
                           "THERMAL_SAMPLES"})
    list.push_back({item, "", name, "100", "100", true});
  list.push_back({item, "ENVI", "map_info", "{UTM, 1, 1}", "{UTM, 1, 1}", true});
  return list;
}

SceneTags tags_with(const Case& c, const std::string& value) {
  SceneTags tags;
  if (c.where == GridText::description) {
    tags.description = value;
  } else if (c.where == GridText::item) {
    const std::string domain = c.scope.empty() ? "" : " domain=\"" + c.scope + "\"";
    tags.gdal_metadata = "<GDALMetadata>\n  <Item name=\"KEPT\">1</Item>\n  ";
    if (value != "(out)")
      tags.gdal_metadata += "<Item name=\"" + c.name + "\"" + domain + ">" + value + "</Item>\n  ";
    tags.gdal_metadata += "<Item name=\"KEPT_TOO\" domain=\"OTHER\">1</Item>\n</GDALMetadata>\n";
  } else {
    const std::string packet =
        "<?xpacket begin='\xef\xbb\xbf' id='x'?>\n<r:RDF xmlns:r=\"rdf\"><r:Description q:" + c.name +
        " = '" + value + "' q:o=\"1\" xmlns:q=\"" + c.scope + "\" xmlns:o=\"other\" o:" + c.name +
        "=\"48\"><q:" + c.name + ">" + value + "</q:" + c.name +
        "></r:Description></r:RDF>\n  \n<?xpacket end='w'?>";
    tags.xmp.assign(packet.begin(), packet.end());
  }
  return tags;
}

TEST(GridTexts, EveryRowDoesWhatItSaysAndLeavesTheRestByteForByte) {
  for (const Case& c : cases()) {
    SceneTags fine = tags_with(c, c.value);
    scale_texts(fine, 3);
    const SceneTags expected = tags_with(c, c.fine);
    EXPECT_EQ(fine.gdal_metadata, expected.gdal_metadata) << c.name;
    EXPECT_EQ(std::string(fine.xmp.begin(), fine.xmp.end()),
              std::string(expected.xmp.begin(), expected.xmp.end()))
        << c.name;
    EXPECT_EQ(fine.description, expected.description) << c.value;
    const auto notes = notes_on_texts(tags_with(c, c.value));
    EXPECT_EQ(notes.size(), c.told ? 1u : 0u) << c.name << c.value;
    if (c.told && c.where != GridText::description) {
      EXPECT_NE(notes.at(0).find(c.name + "=" + c.value), std::string::npos) << notes[0];
    }
  }
}

TEST(GridTexts, ThereIsACaseForEveryRow) {
  std::set<const GridRow*> tried;
  for (const Case& c : cases()) {
    std::string name = c.where == GridText::description ? c.value : c.name;
    if (!name.empty() && name.back() == '\n') name.pop_back();
    tried.insert(grid_row(c.where, c.scope, name));
  }
  for (const GridRow& row : kGridRows) EXPECT_TRUE(tried.contains(&row)) << row.scope << ": " << row.name;
}

TEST(GridTexts, WhatSpeaksOfSampleValuesOrNothingOfTheKindIsKept) {
  SceneTags tags;
  tags.gdal_metadata =
      "<GDALMetadata>\n <Item name='OFFSET' sample='0' role='offset'>1</Item>\n"
      "  <Item name=\"SCALE\" sample=\"0\" role=\"scale\">0.5</Item><Item name=\"UNITTYPE\" sample=\"0\" "
      "role=\"unittype\">m</Item>\n<Item name=\"COLORINTERP\" sample=\"1\" role=\"colorinterp\">Red</Item>"
      "<Item name=\"AREA_OR_POINT\">Point</Item><Item name=\"LINE_OFF\">7</Item></GDALMetadata>";
  for (const char* description :
       {"a field", "{\"colour\": \"red\"}", "{ no JSON", "<text>OME</text>", "Aperiodic"}) {
    tags.description = description;
    SceneTags fine = tags;
    scale_texts(fine, 2);
    EXPECT_EQ(fine.gdal_metadata, tags.gdal_metadata);
    EXPECT_EQ(fine.description, description);
    EXPECT_TRUE(notes_on_texts(tags).empty());
  }
}

TEST(GridTexts, PacketsThatAreNoXmlStayAsTheyAre) {
  for (const std::string odd : {"", "<x", "plain", "\xff\xfe<\0x\0/\0>\0", "<a b='1'><c></a>"}) {
    SceneTags tags;
    tags.xmp.assign(odd.begin(), odd.end());
    SceneTags fine = tags;
    scale_texts(fine, 2);
    EXPECT_EQ(fine.xmp, tags.xmp);
  }
  const std::string packet =
      std::string("<a xmlns:t='http://ns.adobe.com/tiff/1.0/' t:ImageWidth='4'/>") + '\0' + "rest";
  SceneTags tags;
  tags.xmp.assign(packet.begin(), packet.end());
  scale_texts(tags, 2);
  std::string expected = packet;
  expected[expected.find('4')] = '8';
  EXPECT_EQ(std::string(tags.xmp.begin(), tags.xmp.end()), expected) << "after a terminating zero";
}

TEST(GridTexts, NestingWithoutEndDoesNoHarm) {
  constexpr int kDepth = 200'000;
  SceneTags tags;
  tags.description =
      "{\"shape\": [1], \"b\": 2, \"a\": " + std::string(kDepth, '[') + std::string(kDepth, ']') + "}";
  std::string xml;
  for (int i = 0; i < kDepth; ++i) xml += "<a:b c:d='1'>";
  for (int i = 0; i < kDepth; ++i) xml += "</a:b>";
  tags.xmp.assign(xml.begin(), xml.end());
  tags.gdal_metadata = "<GDALMetadata>" + xml + "</GDALMetadata>";
  SceneTags fine = tags;
  scale_texts(fine, 2);
  EXPECT_EQ(fine.xmp, tags.xmp);
  EXPECT_EQ(fine.gdal_metadata, tags.gdal_metadata);
  EXPECT_EQ(fine.description.find("{\"b\":2"), 0u);
}

TEST(GridTexts, ManyNamesAreOneShortNote) {
  SceneTags tags;
  tags.gdal_metadata = "<GDALMetadata>";
  for (int i = 0; i < 20; ++i) tags.gdal_metadata += "<Item name=\"GSD\" domain=\"D\">1\t2</Item>";
  tags.gdal_metadata += "</GDALMetadata>";
  const auto notes = notes_on_texts(tags);
  ASSERT_EQ(notes.size(), 1u);
  EXPECT_NE(notes[0].find("GSD=1 2, and 14 more"), std::string::npos) << notes[0];
}

}  // namespace
}  // namespace sr
