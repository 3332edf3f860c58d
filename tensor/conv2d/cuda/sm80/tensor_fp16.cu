#include "tensor/conv2d/cuda/sm80/tensor_kernel.h"

namespace sr::cuda {

template bool tensor_conv_order<__half>(const ConvRun&, int64_t, FragmentOrder*);
template void tensor_conv<__half>(const ConvRun&, const void*, const void*, const ConvEpilogue&, void*,
                                  const ConvDevice&);

}  // namespace sr::cuda
