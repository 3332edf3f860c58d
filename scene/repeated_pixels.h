// Scenes that are coarser than their pixels say.
#pragma once

#include <string>
#include <vector>

#include "io/tiff/input/reader.h"

namespace sr {

/// How often the pixels of a band are repeated across and down; 1 where neighbours differ anywhere.
struct Repetition {
  int64_t across = 1, down = 1;
  bool operator==(const Repetition&) const = default;
};

/// For each band, from at most 64 windows spread over the scene: the largest steps between all columns, and
/// rows, at which samples change. 1 x 1 also where too little changes to tell. Errors: those of TiffReader.
std::vector<Repetition> repeated_pixels(TiffReader& reader);

/// A line for people if bands were enlarged by repeating pixels before (as nearest-neighbour resampling does,
/// often where bands of 20 m lie beside bands of 10 m): the network sharpens the steps. "" if none was.
std::string hint_of_repeated_pixels(TiffReader& reader);

}  // namespace sr
