// Scenes with classes, and what a result says of how it was made; GDAL is the judge where it is there.
#include <gtest/gtest.h>

#include <filesystem>
#include <map>

#include "io/output_file.h"
#include "io/tiff/output/writer.h"
#include "io/tiff/tags/gdal_metadata.h"
#include "tensor/bands/kernels.h"
#include "tests/support/run_program.h"
#include "tests/tools/small_model.h"

namespace sr {
namespace {

namespace fs = std::filesystem;

constexpr const char* kPython = "/usr/bin/python3";  // Debian's GDAL bindings belong to it
constexpr int kSide = 64;

class ClassBands : public testing::Test {
 protected:
  void SetUp() override { write_small_model(folder_ / "weights", 2); }

  ProgramRun eval(std::vector<std::string> more, const std::string& out = "out") {
    std::vector<std::string> arguments{"--data_path",       folder_ / "a.tif", "--pretrained_path",
                                       folder_ / "weights", "--out_path",      folder_ / out};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_program("eval_superres_net", arguments);
  }

  // A map of five classes, in blocks of four pixels; class 0 is no data.
  void write_class_map(const std::string& nodata = "0") {
    TiffInfo info = info_of(1);
    info.photometric = 3;
    info.palette.resize(768);
    for (size_t i = 0; i < 15; ++i) info.palette[i] = static_cast<uint16_t>(257 * (i * 37 % 256));
    info.tags.gdal_nodata = nodata;
    info.tags.gdal_metadata =
        "<GDALMetadata>\n  <Item name=\"DESCRIPTION\" sample=\"0\" role=\"description\">land cover</Item>\n"
        "  <Item name=\"LEGEND\" sample=\"0\">1=town</Item>\n  <Item "
        "name=\"SENSOR\">eyes</Item>\n</GDALMetadata>\n";
    write(info, [](int x, int y, int) { return (x / 4 * 7 + y / 4 * 3) % 5; });
  }

  static TiffInfo info_of(int bands) {
    TiffInfo info;
    info.width = info.height = kSide, info.bands = bands;
    info.extra_samples.assign(static_cast<size_t>(bands - 1), 0);
    return info;
  }

  template <class Value>
  void write(const TiffInfo& info, Value value) {
    Raster raster({0, 0, kSide, kSide}, info.bands, info.type);
    for (int p = 0; p < kSide * kSide; ++p)
      for (int b = 0; b < info.bands; ++b)
        raster.data<uint8_t>()[p * info.bands + b] = static_cast<uint8_t>(value(p % kSide, p / kSide, b));
    TiffWriter writer(folder_ / "a.tif", info);
    writer.write(raster);
    writer.finish();
  }

  Raster whole(const std::string& name) {
    TiffReader reader(folder_ / name, {}, SampleReading::codes);
    return reader.read({0, 0, reader.info().width, reader.info().height});
  }

  TestFolder folder_;
};

TEST_F(ClassBands, AMapOfClassesIsRefusedWithBothWays) {
  write_class_map();
  const ProgramRun run = eval({});
  EXPECT_EQ(run.status, 1);
  EXPECT_NE(run.err.find("a.tif: its palette has a nodata value: it looks like a map of classes"),
            std::string::npos)
      << run.err;
  EXPECT_NE(run.err.find("--palette copy"), std::string::npos);
  EXPECT_NE(run.err.find("--palette rgb"), std::string::npos);
  EXPECT_TRUE(fs::is_empty(folder_ / "out"));
  EXPECT_EQ(eval({"--palette", "rgb", "--copy_bands", "1"}).status, 2);
  EXPECT_EQ(eval({"--copy_bands", "2"}).status, 1) << "it has one band";
}

TEST_F(ClassBands, CopiedClassesAreTheSameMapForGdal) {
  write_class_map();
  for (const std::vector<std::string>& option :
       {std::vector<std::string>{"--palette", "copy"}, {"--copy_bands", "1"}}) {
    std::vector<std::string> options = option;
    options.insert(options.end(), {"--verify", "3", "--bicubic", "--preview"});
    const ProgramRun run = eval(options);
    ASSERT_EQ(run.status, 0) << run.err;
    EXPECT_TRUE(fs::exists(folder_ / "out/a_preview.png"));
    if (run_program(kPython, {"-c", "from osgeo import gdal"}).status != 0)
      GTEST_SKIP() << "GDAL is not installed";
    const ProgramRun judged = run_program(
        kPython,
        {"-c",
         "import sys, numpy as np\nfrom osgeo import gdal\nfor name in ('a', 'a_bic_up'):\n"
         "  i, o = gdal.Open(sys.argv[1] + '/a.tif'), gdal.Open(sys.argv[1] + '/out/' + name + '.tif')\n"
         "  p, q = i.GetRasterBand(1), o.GetRasterBand(1)\n"
         "  assert np.array_equal(np.kron(p.ReadAsArray(), np.ones((2, 2))), q.ReadAsArray())\n"
         "  s, t = p.GetColorTable(), q.GetColorTable()\n"
         "  assert all(s.GetColorEntry(k) == t.GetColorEntry(k) for k in range(256))\n"
         "  assert q.GetNoDataValue() == 0 and q.GetDescription() == 'land cover'\n"
         "  assert q.GetMetadataItem('LEGEND') == '1=town' and o.GetMetadataItem('SENSOR') == 'eyes'\n"
         "  assert o.GetMetadataItem('SUPERRES_COPIED_BANDS') == '1'\n",
         folder_.path()});
    EXPECT_EQ(judged.status, 0) << judged.err;
  }
}

TEST_F(ClassBands, ExpandedClassesStayHiddenWhereTheyWereAndLoseTheTextsOfIndices) {
  write_class_map();
  const ProgramRun run = eval({"--palette", "rgb", "--verify", "3"});
  ASSERT_EQ(run.status, 0) << run.err;
  const Raster indices = whole("a.tif"), fine = whole("out/a.tif");
  EXPECT_EQ(fine.bands, 3);
  ASSERT_EQ(fine.mask.size(), size_t{4} * kSide * kSide);
  for (int p = 0; p < 4 * kSide * kSide; ++p)
    ASSERT_EQ(fine.mask[static_cast<size_t>(p)] == 0,
              indices.data<uint8_t>()[p / (2 * kSide) / 2 * kSide + p % (2 * kSide) / 2] == 0);
  const std::string metadata = TiffReader(folder_ / "out/a.tif").info().tags.gdal_metadata;
  for (const MetadataItem& item : metadata_items(metadata)) EXPECT_EQ(item.band, -1) << item.name;
  EXPECT_NE(metadata.find("<Item name=\"SENSOR\">eyes</Item>"), std::string::npos);
}

TEST_F(ClassBands, ABandOfClassesIsCopiedAndTheOthersAreAsWithoutIt) {
  const auto value = [](int x, int y, int b) {
    return b == 1 ? (x / 8 * 5 + y / 8 * 7) % 11 * 20 : (x * (b + 2) + y * y) % 251;
  };
  write(info_of(3), value);
  const ProgramRun hinted = eval({}, "hinted");
  EXPECT_NE(hinted.out.find("band 2 looks like codes, not a picture: --copy_bands 2"), std::string::npos)
      << hinted.out;
  const ProgramRun run = eval({"--copy_bands", "2", "--verify", "3", "--bicubic"});
  ASSERT_EQ(run.status, 0) << run.err;
  EXPECT_EQ(run.out.find("--copy_bands"), std::string::npos) << run.out;
  const Raster fine = whole("out/a.tif"), bicubic = whole("out/a_bic_up.tif"), mixed = whole("hinted/a.tif");
  for (int p = 0; p < 4 * kSide * kSide; ++p) {
    const int code = value(p % (2 * kSide) / 2, p / (2 * kSide) / 2, 1);
    ASSERT_EQ(fine.data<uint8_t>()[3 * p + 1], code);
    ASSERT_EQ(bicubic.data<uint8_t>()[3 * p + 1], code);
    for (const int b : {0, 2}) ASSERT_EQ(fine.data<uint8_t>()[3 * p + b], mixed.data<uint8_t>()[3 * p + b]);
  }
}

TEST_F(ClassBands, TheResultSaysHowItWasMadeAndNothingThatChangesFromRunToRun) {
  write(info_of(1), [](int x, int y, int) { return (x * 3 + y * 5) % 256; });
  ASSERT_EQ(eval({"--threads", "1"}).status, 0);
  ASSERT_EQ(eval({"--threads", "2", "--max_memory", "200MB"}, "again").status, 0);
  EXPECT_EQ(text_of_file(folder_ / "out/a.tif"), text_of_file(folder_ / "again/a.tif"));
  const std::string weights = folder_ / "weights/x2/ckpts/ckpt-00000000.sr";
  const ProgramRun info = run_program("convert_checkpoint", {"--info", weights});
  std::map<std::string, std::string> items;
  for (const MetadataItem& item : metadata_items(TiffReader(folder_ / "out/a.tif").info().tags.gdal_metadata))
    items[item.name] = item.text;
  EXPECT_EQ(items["SUPERRES_SOFTWARE"].find("superres "), 0u);
  EXPECT_EQ(items["SUPERRES_METHOD"], "network");
  EXPECT_EQ(items["SUPERRES_FACTOR"], "2");
  EXPECT_EQ(items["SUPERRES_COLOUR_MODE"], "per_band");
  EXPECT_EQ(items["SUPERRES_VALUE_RANGE"], "0..255");
  EXPECT_EQ(items["SUPERRES_PRECISION"], bands::has_amx() ? "bf16" : "fp32");
  EXPECT_EQ(items["SUPERRES_WEIGHTS"], checksum_of_file(weights));
  EXPECT_NE(info.out.find(items["SUPERRES_WEIGHTS"]), std::string::npos) << info.out;
  // What an earlier run said is not true of the next.
  ASSERT_EQ(run_program("eval_superres_net", {"--data_path", folder_ / "out/a.tif", "--bicubic_only",
                                              "--upsampling_factor", "3", "--out_path", folder_ / "third"})
                .status,
            0);
  const std::string metadata = TiffReader(folder_ / "third/a_bic_up.tif").info().tags.gdal_metadata;
  EXPECT_EQ(metadata.find("network"), std::string::npos);
  EXPECT_NE(metadata.find("<Item name=\"SUPERRES_METHOD\">bicubic</Item>"), std::string::npos);
  EXPECT_NE(metadata.find("<Item name=\"SUPERRES_FACTOR\">3</Item>"), std::string::npos);
}

}  // namespace
}  // namespace sr
