#include "tensor/cuda/tensor_map.h"

#include <cuda_runtime_api.h>

#include "tensor/cuda/error.h"
#include "tensor/error.h"

namespace sr::gpu {
namespace {

using Encode = decltype(&cuTensorMapEncodeTiled);

// From the driver that is there when the program runs, so that nothing need be linked.
Encode encoder() {
  static const Encode encode = [] {
    void* function = nullptr;
    cudaDriverEntryPointQueryResult found = cudaDriverEntryPointSymbolNotFound;
    check(cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &function, 12000, cudaEnableDefault,
                                           &found),
          "cuda: tensor maps");
    if (found != cudaDriverEntryPointSuccess)
      throw Error(Error::Kind::device, "cuda: the driver has no tensor maps; update it");
    return reinterpret_cast<Encode>(function);
  }();
  return encode;
}

struct Row {
  CUtensorMapSwizzle swizzle;
  int bytes;
};
Row row_of(Swizzle swizzle) {
  switch (swizzle) {
    case Swizzle::bytes128:
      return {CU_TENSOR_MAP_SWIZZLE_128B, 128};
    case Swizzle::bytes64:
      return {CU_TENSOR_MAP_SWIZZLE_64B, 64};
    case Swizzle::bytes32:
      return {CU_TENSOR_MAP_SWIZZLE_32B, 32};
    case Swizzle::none:
      break;
  }
  return {CU_TENSOR_MAP_SWIZZLE_NONE, 16};
}

}  // namespace

TensorMap image_map(const void* data, int element_bytes, int64_t n, int64_t h, int64_t w, int64_t c,
                    int64_t pitch, int box_w, int box_h, Swizzle swizzle) {
  const auto u64 = [](int64_t v) { return static_cast<cuuint64_t>(v); };
  const auto u32 = [](int v) { return static_cast<cuuint32_t>(v); };
  const Row row = row_of(swizzle);
  const int64_t pixel = pitch * element_bytes;
  const cuuint64_t sizes[] = {u64(c), u64(w), u64(h), u64(n)};
  const cuuint64_t strides[] = {u64(pixel), u64(pixel * w), u64(pixel * w * h)};
  const cuuint32_t box[] = {u32(row.bytes / element_bytes), u32(box_w), u32(box_h), 1};
  const cuuint32_t steps[] = {1, 1, 1, 1};
  TensorMap made{};
  // The type matters for no copy that only moves bits; what lies outside is zero bits.
  const CUresult result = encoder()(
      &made.map, element_bytes == 2 ? CU_TENSOR_MAP_DATA_TYPE_FLOAT16 : CU_TENSOR_MAP_DATA_TYPE_FLOAT32, 4,
      const_cast<void*>(data), sizes, strides, box, steps, CU_TENSOR_MAP_INTERLEAVE_NONE, row.swizzle,
      CU_TENSOR_MAP_L2_PROMOTION_L2_128B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  if (result != CUDA_SUCCESS)
    throw Error(Error::Kind::device, "cuda: the driver refuses a tensor map (error ",
                static_cast<int>(result), ") of ", n, 'x', h, 'x', w, 'x', c, " with pitch ", pitch,
                ", boxes ", box_h, 'x', box_w);
  return made;
}

}  // namespace sr::gpu
