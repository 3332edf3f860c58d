#include "tensor/conv2d_grad_weight_tensor_kernel.h"

namespace sr::cuda {

template bool tensor_grad_weight_bytes<float>(const ConvRun&, int64_t*);
template void tensor_grad_weight<float>(const ConvRun&, const void*, const void*, void*, float*,
                                        const ConvDevice&);

}  // namespace sr::cuda
