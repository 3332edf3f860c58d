#include "tensor/conv2d/cuda/sm80/grad_weight_kernel.h"

namespace sr::cuda {

template bool tensor_grad_weight_bytes<__nv_bfloat16>(const ConvRun&, int, int64_t*);
template bool tensor_grads_bias<__nv_bfloat16>(const ConvRun&);
template void tensor_grad_weights<__nv_bfloat16>(const ConvRun&, std::span<const GradWeightTask>, void*,
                                                 const ConvDevice&);

}  // namespace sr::cuda
