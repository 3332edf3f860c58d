#include "tensor/conv2d_grad_weight_tensor_kernel.h"

namespace sr::cuda {

// One block of twelve warps has the registers of a multiprocessor.
// ptxas: conv2d_grad_weight_tensor_kernel registers<=168
// ptxas: sum_fragments_kernel registers<=40

template bool tensor_grad_weight_bytes<__half>(const ConvRun&, int64_t*);
template void tensor_grad_weight<__half>(const ConvRun&, const void*, const void*, void*, float*,
                                         cudaStream_t);

}  // namespace sr::cuda
