#include "io/tiff/tags/gdal_metadata.h"

#include <gtest/gtest.h>

namespace sr {
namespace {

const std::string kXml =
    "<GDALMetadata>\n"
    "  <Item name=\"A\">one</Item>\n"
    "  <Item sample='2' role=\"scale\"   name=\"SCALE\" >0.5</Item>\n"
    "  <!-- <Item name=\"NONE\">x</Item> -->\n"
    "  <Item name=\"B&amp;C > D\" domain=\"E\">a &lt; b</Item><Item name=\"EMPTY\"/>\n"
    "  <Item name=\"doc\" domain=\"xml:X\" format=\"xml\"><x><Item name=\"INNER\">1</Item></x></Item>\n"
    "</GDALMetadata>\n";

TEST(GdalMetadata, ItemsAreFoundHoweverTheyAreWritten) {
  const std::vector<MetadataItem> items = metadata_items(kXml);
  ASSERT_EQ(items.size(), 4u) << "one is a comment, one holds elements";
  EXPECT_EQ(items[0].name, "A");
  EXPECT_EQ(items[0].text, "one");
  EXPECT_EQ(items[0].band, -1);
  EXPECT_EQ(kXml.substr(items[0].begin, items[0].end - items[0].begin), "<Item name=\"A\">one</Item>");
  EXPECT_EQ(items[1].name, "SCALE");
  EXPECT_EQ(items[1].role, "scale");
  EXPECT_EQ(items[1].band, 2);
  EXPECT_EQ(items[2].name, "B&C > D");
  EXPECT_EQ(items[2].domain, "E");
  EXPECT_EQ(items[2].text, "a < b");
  EXPECT_EQ(kXml.substr(items[2].text_begin, items[2].text_end - items[2].text_begin), "a &lt; b");
  EXPECT_EQ(items[3].name, "EMPTY");
  EXPECT_EQ(kXml.substr(items[3].begin, items[3].end - items[3].begin), "<Item name=\"EMPTY\"/>");
}

TEST(GdalMetadata, OnlyWhatIsChangedChanges) {
  const auto same = [](const MetadataItem& item) { return std::optional(item.text); };
  EXPECT_EQ(with_changed_items(kXml, same), kXml);
  const std::string changed = with_changed_items(kXml, [](const MetadataItem& item) {
    return item.name == "SCALE" ? std::optional<std::string>("<1&")
           : item.name == "A"   ? std::nullopt
                                : std::optional(item.text);
  });
  std::string expected = kXml;
  expected.replace(expected.find("0.5"), 3, "&lt;1&amp;");
  expected.erase(expected.find("<Item name=\"A\""), std::string("<Item name=\"A\">one</Item>\n  ").size());
  EXPECT_EQ(changed, expected);
}

TEST(GdalMetadata, WithoutItsLastItemNothingIsLeft) {
  const auto none = [](const MetadataItem&) -> std::optional<std::string> { return std::nullopt; };
  EXPECT_EQ(
      with_changed_items("<GDALMetadata><Item name=\"A\">1</Item> <Item name=\"B\"/>\n</GDALMetadata>", none),
      "");
  EXPECT_EQ(with_changed_items("<GDALMetadata></GDALMetadata>", none), "<GDALMetadata></GDALMetadata>");
}

TEST(GdalMetadata, ItemsOfBandsAreLeftOutTogether) {
  EXPECT_EQ(without_band_items(
                "<GDALMetadata>\n  <Item name=\"A\">1</Item>\n  <Item name=\"B\" sample=\"0\">2</Item>"
                "\n</GDALMetadata>\n"),
            "<GDALMetadata>\n  <Item name=\"A\">1</Item>\n  </GDALMetadata>\n");
}

TEST(GdalMetadata, FurtherItemsStandAtTheEnd) {
  EXPECT_EQ(with_items("", {{"A", "1 < 2"}}),
            "<GDALMetadata>\n  <Item name=\"A\">1 &lt; 2</Item>\n</GDALMetadata>\n");
  std::string expected = kXml;
  expected.insert(expected.find("</GDALMetadata>"),
                  "  <Item name=\"A\">1</Item>\n  <Item name=\"B\">2</Item>\n");
  EXPECT_EQ(with_items(kXml, {{"A", "1"}, {"B", "2"}}), expected);
  EXPECT_EQ(with_items(kXml, {}), kXml);
}

TEST(GdalMetadata, DamagedTextsAreLeftAlone) {
  for (const std::string odd : {"<Item", "plain", "<GDALMetadata><Item name=\"A\">0<Item></GDALMetadata>",
                                "<GDALMetadata><Item name=\"A>0</Item></GDALMetadata>", "<a/>"}) {
    EXPECT_TRUE(metadata_items(odd).empty()) << odd;
    EXPECT_EQ(without_band_items(odd), odd);
    EXPECT_EQ(with_items(odd, {{"A", "1"}}), odd);
  }
}

}  // namespace
}  // namespace sr
