// Convolutions with IDN's shapes in float32, on the float32 units: the layers of 3x3 and 1x1, the 17x17
// upsampler of one channel, and their gradients.
#pragma once

#include "tensor/conv2d_weights_cuda.h"

namespace sr::cuda {

/// Whether there is a kernel for this shape with float32 tensors. It depends on the shape of the weights and
/// the padding. Pitches, those of added tensors and masks too, must then be multiples of 4 where there is no
/// shuffle.
bool takes_tiled_conv(const ConvRun& run);

/// `packed` is pack_plain()'s.
void tiled_conv(const ConvRun& run, const void* x, const float* packed, const ConvEpilogue& epilogue, void* y,
                cudaStream_t stream);

}  // namespace sr::cuda
