#include "tensor/conv2d/cuda/sm90/patches_kernel.h"

namespace sr::cuda {

template bool patches_conv_bytes<__half>(const ConvRun&, int64_t*);
template void pack_patches<__half>(std::span<const PatchTask>, cudaStream_t);
template void patches_conv<__half>(const ConvRun&, const void*, const void*, const ConvEpilogue&, void*,
                                   const ConvDevice&);

}  // namespace sr::cuda
