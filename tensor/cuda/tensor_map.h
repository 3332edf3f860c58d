// Tensor maps: what the copy engine of compute capability 9.0 and later must know of an image in device
// memory.
#pragma once

#include <cuda.h>

#include <cstdint>

namespace sr::gpu {

/// How the 16-byte units of a row in shared memory change places, so that eight rows' units at one place in
/// the row lie in different banks: with bytes128 (rows of 128 bytes) bits 4-6 of an address are xored with
/// bits 7-9, with bytes64 bits 4-5 with bits 7-8, with bytes32 bit 4 with bit 7. The values are those of
/// matrix descriptors.
enum class Swizzle : uint64_t { none = 0, bytes128 = 1, bytes64 = 2, bytes32 = 3 };

/// A kernel takes it as `const __grid_constant__ gpu::TensorMap`.
struct TensorMap {
  CUtensorMap map;
};

/// Of an image [n][h][w][pitch] in device memory with elements of 2 or 4 bytes, of which c channels are used.
/// tensor_copy() then copies boxes of box_h x box_w pixels with 128, 64 or 32 bytes of channels each (16
/// without swizzle); channels and pixels outside of the image become zeros.
/// Errors: device: no driver that has tensor maps, or one it refuses: data and pitch must be multiples of 16
/// bytes, box sides at most 256.
TensorMap image_map(const void* data, int element_bytes, int64_t n, int64_t h, int64_t w, int64_t c,
                    int64_t pitch, int box_w, int box_h, Swizzle swizzle);

}  // namespace sr::gpu
