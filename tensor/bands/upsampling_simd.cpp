// The last stage in float32, compiled once for each instruction set.
#include "tensor/bands/upsampling_rows.h"

namespace sr::bands::winograd::SR_SIMD {
void upsampling(const void* packed, const Job& job) {
  upsample_rows<float>(packed, job);
}
}  // namespace sr::bands::winograd::SR_SIMD
