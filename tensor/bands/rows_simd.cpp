// Stages in float32, compiled once for each instruction set, whose name CMakeLists.txt defines SR_SIMD as.
#include "tensor/bands/winograd_rows.h"

namespace sr::bands::winograd::SR_SIMD {
extern const Functions kFunctions{kCompiledFor,          sizeof(float),      kLargestVectors,
                                  winograd_layer<float>, first_layer<float>, upsampling};
}
