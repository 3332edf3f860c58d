#include "tests/cuda_emulation/hopper/tensor_map.h"

#include <cuda_runtime.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "tests/cuda_emulation/block.h"
#include "tests/cuda_emulation/runtime/runtime.h"

namespace sr::emulation {

namespace {

constexpr uint64_t kMark = 0x7e25024a99f00d11u;

/// What a CUtensorMap holds here; on a device nobody knows.
struct Map {
  uint64_t mark;
  const char* data;
  uint32_t element_bytes, row_bytes;  // of an element, of a pixel in the box
  uint64_t sizes[4], strides[3];
  uint32_t box[4];
  uint32_t swizzle_bits;  // 0 to 3 of the address's bits 4 to 6 are xored with bits 7 to 9
};
static_assert(sizeof(Map) <= sizeof(CUtensorMap));

// A place in the image or outside of it.
bool inside(const Map& m, const int64_t (&at)[4]) {
  for (int i = 0; i < 4; ++i) {
    if (at[i] < 0 || at[i] >= static_cast<int64_t>(m.sizes[i])) return false;
  }
  return true;
}

}  // namespace

std::vector<Piece> box_of(const CUtensorMap& map, char* shared, uint32_t address, int c, int x, int y,
                          int n) {
  Map m;
  std::memcpy(&m, &map, sizeof(m));
  if (m.mark != kMark) {
    report("tensor copy: this is no tensor map");
    return {};
  }
  std::vector<Piece> pieces;
  const uint32_t mask = (1u << m.swizzle_bits) - 1, elements = 16 / m.element_bytes;
  for (uint32_t i = 0; i < m.box[1] * m.box[2]; ++i) {
    for (uint32_t unit = 0; unit < m.row_bytes / 16; ++unit) {
      const int64_t at[4] = {c + int64_t{unit} * elements, x + int64_t{i % m.box[1]},
                             y + int64_t{i / m.box[1]}, n};
      const uint32_t linear = address + i * m.row_bytes + unit * 16;
      char* const to = shared + (linear ^ ((linear >> 7 & mask) << 4));
      // Of a unit that the image's channels end in, the rest are zeros. (c itself may lie before the image.)
      for (uint32_t e = 0; e < elements; ++e) {
        const int64_t one[4] = {at[0] + e, at[1], at[2], at[3]};
        const char* from = nullptr;
        if (inside(m, one)) {
          from = m.data + one[0] * m.element_bytes;
          for (int k = 0; k < 3; ++k) from += one[k + 1] * static_cast<int64_t>(m.strides[k]);
        }
        const bool follows =
            e > 0 && (from == nullptr ? pieces.back().from == nullptr : pieces.back().from != nullptr);
        if (follows) {
          pieces.back().bytes += m.element_bytes;
        } else {
          pieces.push_back({to + e * m.element_bytes, from, m.element_bytes});
        }
      }
    }
  }
  return pieces;
}

}  // namespace sr::emulation

using namespace sr::emulation;

namespace {

// As the driver's, for four dimensions; what that refuses is refused.
CUresult encode(CUtensorMap* map, CUtensorMapDataType type, cuuint32_t rank, void* data,
                const cuuint64_t* sizes, const cuuint64_t* strides, const cuuint32_t* box,
                const cuuint32_t* steps, CUtensorMapInterleave, CUtensorMapSwizzle swizzle,
                CUtensorMapL2promotion, CUtensorMapFloatOOBfill fill) {
  Map m{};
  m.mark = kMark;
  m.data = static_cast<const char*>(data);
  m.element_bytes = type == CU_TENSOR_MAP_DATA_TYPE_FLOAT32 ? 4 : 2;
  m.row_bytes = box[0] * m.element_bytes;
  m.swizzle_bits = swizzle == CU_TENSOR_MAP_SWIZZLE_128B  ? 3
                   : swizzle == CU_TENSOR_MAP_SWIZZLE_64B ? 2
                   : swizzle == CU_TENSOR_MAP_SWIZZLE_32B ? 1
                                                          : 0;
  bool ok = rank == 4 && reinterpret_cast<uintptr_t>(data) % 16 == 0 &&
            fill == CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE &&
            (type == CU_TENSOR_MAP_DATA_TYPE_FLOAT32 || type == CU_TENSOR_MAP_DATA_TYPE_FLOAT16);
  ok = ok && m.row_bytes % 16 == 0 && (m.swizzle_bits == 0 || m.row_bytes <= 16u << m.swizzle_bits);
  for (int i = 0; i < 4 && ok; ++i) {
    m.sizes[i] = sizes[i];
    m.box[i] = box[i];
    ok = sizes[i] > 0 && sizes[i] <= uint64_t{1} << 32 && box[i] > 0 && box[i] <= 256 && steps[i] == 1;
    if (i == 3 || !ok) continue;
    m.strides[i] = strides[i];
    ok = strides[i] % 16 == 0 && strides[i] < uint64_t{1} << 40;
  }
  if (!ok) return CUDA_ERROR_INVALID_VALUE;
  std::memcpy(map, &m, sizeof(m));
  return CUDA_SUCCESS;
}

}  // namespace

extern "C" cudaError_t cudaGetDriverEntryPointByVersion(const char* symbol, void** function, unsigned,
                                                        unsigned long long,
                                                        cudaDriverEntryPointQueryResult* found) {
  const cudaError_t injected = injected_error("cudaGetDriverEntryPointByVersion");
  if (injected != cudaSuccess) return keep(injected);
  const bool known = std::strcmp(symbol, "cuTensorMapEncodeTiled") == 0;
  *function = known ? reinterpret_cast<void*>(encode) : nullptr;
  if (found != nullptr) *found = known ? cudaDriverEntryPointSuccess : cudaDriverEntryPointSymbolNotFound;
  return cudaSuccess;
}
