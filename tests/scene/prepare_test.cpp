// What is settled of a scene before its first tile.
#include "scene/prepare.h"

#include <gtest/gtest.h>
#include <omp.h>

#include "io/tiff/output/writer.h"
#include "tests/support/test_folder.h"
#include "tests/support/training_images.h"

namespace sr {
namespace {

TEST(PrepareScene, BlocksAreCompressedOnAllThreadsBesideTheNetworkToo) {
  const TestFolder folder;
  const std::string scene = folder / "a.tif", result = folder / "x2.tif";
  const Raster picture({0, 0, 60, 40}, 1, SampleType::u8);
  TiffWriter writer(scene, tiff_info_of(picture), {});
  writer.write(picture);
  writer.finish();
  const Model model(NetworkOptions{});
  const int before = omp_get_max_threads();
  omp_set_num_threads(6);
  EXPECT_EQ(prepare_scene(scene, {result, "", ""}, &model, 2, {}).planning.writing.threads, 6);
  EXPECT_EQ(prepare_scene(scene, {"", result, ""}, nullptr, 2, {}).planning.writing.threads, 6);
  omp_set_num_threads(before);
}

}  // namespace
}  // namespace sr
