// Where results lie on the ground, with GDAL as the judge: every way of saying it, in the TIFF and beside it.
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/support/run_program.h"

namespace sr {
namespace {

const std::string kJudge = std::string(SR_SOURCE_DIR) + "/tests/tools/georeference_judge.py";

// The system's interpreter: Debian's GDAL bindings belong to it.
constexpr const char* kPython = "/usr/bin/python3";

class Georeference : public testing::TestWithParam<int> {};

// Keys x tags x world files x .tab, .aux.xml and vendors' RPC: 390 scenes of 9 x 7 pixels, a third of them
// for each factor.
TEST_P(Georeference, GdalPutsResultsWhereItPutsTheirInputs) {
  if (run_program(kPython, {"-c", "from osgeo import gdal"}).status != 0)
    GTEST_SKIP() << "GDAL's Python bindings are not installed; io_tiff_tags_side_files_test has the rules";
  const TestFolder folder;
  std::filesystem::create_directory(folder / "in");
  const std::string factor = std::to_string(GetParam());
  const ProgramRun made = run_program(kPython, {kJudge, "make", folder / "in", factor});
  ASSERT_EQ(made.status, 0) << made.err;
  const ProgramRun run =
      run_program("eval_superres_net", {"--data_path", folder / "in", "--out_path", folder / "out",
                                        "--bicubic_only", "--upsampling_factor", factor, "--quiet"});
  ASSERT_EQ(run.status, 0) << run.err;
  const ProgramRun judged =
      run_program(kPython, {kJudge, "judge", folder / "in", folder / "out", "_bic_up", factor});
  EXPECT_EQ(judged.status, 0) << judged.out << judged.err;
}

INSTANTIATE_TEST_SUITE_P(Factor, Georeference, testing::Values(2, 3, 4));

}  // namespace
}  // namespace sr
