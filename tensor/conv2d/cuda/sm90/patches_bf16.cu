#include "tensor/conv2d/cuda/sm90/patches_kernel.h"

namespace sr::cuda {

template bool patches_conv_bytes<__nv_bfloat16>(const ConvRun&, int64_t*);
template void pack_patches<__nv_bfloat16>(std::span<const PatchTask>, cudaStream_t);
template void patches_conv<__nv_bfloat16>(const ConvRun&, const void*, const void*, const ConvEpilogue&,
                                          void*, const ConvDevice&);

}  // namespace sr::cuda
