// A folder with files beside a TIFF, and what its tags become.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "io/tiff/tags/georeference.h"
#include "io/tiff/tags/side_files.h"
#include "tests/io/tiff/samples.h"

namespace sr {

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

inline constexpr const char* kWorld = "10\n0\n0\n-12\n505\n594\n";  // pixels of 10 x 12 from (500, 600)
inline const GeoTransform kWorldGrid = {500, 10, 0, 600, 0, -12};

inline SceneTags with_grid() {
  SceneTags tags;
  set_geo_transform(tags, {1, 2, 0, 3, 0, -4});
  return tags;
}

inline SceneTags with_points() {
  SceneTags tags;
  tags.tiepoints = {0, 0, 0, 7, 8, 0, 9, 1, 0, 9, 9, 0, 2, 7, 0, 4, 4, 0};
  return tags;
}

inline SceneTags of_points(SceneTags tags) {
  tags.geo_key_directory = {1, 1, 0, 1, 1025, 0, 1, 2};
  tags.pixel_is_point = true;
  return tags;
}

}  // namespace sr
