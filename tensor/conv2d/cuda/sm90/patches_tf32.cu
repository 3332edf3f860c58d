#include "tensor/conv2d/cuda/sm90/patches_kernel.h"

namespace sr::cuda {

template bool patches_conv_bytes<float>(const ConvRun&, int64_t*);
template void pack_patches<float>(std::span<const PatchTask>, cudaStream_t);
template void patches_conv<float>(const ConvRun&, const void*, const void*, const ConvEpilogue&, void*,
                                  const ConvDevice&);

}  // namespace sr::cuda
