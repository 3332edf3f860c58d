// The weights that the network's authors published.
#pragma once

#include <string>

#include "idn/model.h"

namespace sr {

/// The model of a caffemodel with the authors' network: one channel, two feature layers, four distillation
/// blocks, activation after the compression, studio-range luma on 0..255, means zero, cropped by 9 - factor
/// taps at the beginning. Errors: as load_caffemodel; format (another network, or trained for another factor:
/// the upsampler's stride tells, its shape does not).
Model import_caffemodel(const std::string& path, int factor);

}  // namespace sr
