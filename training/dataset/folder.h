// The folder OUT/xFACTOR of a training data set: what may lie in it, and clearing it.
#pragma once

#include <string>

namespace sr {

/// Errors: io (the folder holds something that is not part of a data set of ours: names it).
void check_dataset_folder(const std::string& folder);

/// Removes an earlier data set from the folder, manifest.json first. Errors: as check_dataset_folder().
void clear_dataset_folder(const std::string& folder);

/// Clears the folder and makes it, Training and Validation within it, and Debug if wanted. Errors: as above.
void make_dataset_folder(const std::string& folder, bool debug);

/// "data_007.rec", "data_1234.rec"; "tile_007.png"
std::string record_file_name(int64_t number);
std::string picture_file_name(int64_t number);

}  // namespace sr
