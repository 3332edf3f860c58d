// The last stage in bfloat16, compiled once for each way to multiply pairs of it.
#include "tensor/bands/upsampling_rows.h"

namespace sr::bands::winograd::SR_SIMD {
void upsampling(const void* packed, const Job& job) {
  upsample_rows<uint16_t>(packed, job);
}
}  // namespace sr::bands::winograd::SR_SIMD
