// Stages in bfloat16, compiled once for each way to multiply pairs of it, whose name CMakeLists.txt defines
// SR_SIMD as.
#include "tensor/bands/winograd_rows.h"

namespace sr::bands::winograd::SR_SIMD {
extern const Functions kFunctions{kPairsCompiledFor,        sizeof(uint16_t),      kLargestVectors,
                                  winograd_layer<uint16_t>, first_layer<uint16_t>, upsampling};
}
