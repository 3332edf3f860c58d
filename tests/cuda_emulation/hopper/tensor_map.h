// Tensor maps as the emulated driver makes them.
#pragma once

#include <cuda.h>

#include <cstdint>
#include <vector>

#include "tests/cuda_emulation/async.h"

namespace sr::emulation {

/// The box at these places, whose first byte goes to `address` in shared memory, which begins at `shared`. A
/// report and nothing if cuTensorMapEncodeTiled() did not make the map.
std::vector<Piece> box_of(const CUtensorMap& map, char* shared, uint32_t address, int c, int x, int y, int n);

}  // namespace sr::emulation
