// Weights of Caffe networks (binary NetParameter protobuf).
#pragma once

#include <string>
#include <vector>

#include "tensor/tensor.h"

namespace sr {

struct CaffeLayer {
  std::string name, type;                    ///< "conv3_2", "Convolution"
  std::vector<std::vector<int64_t>> shapes;  ///< of each blob, Caffe's order: out, in/groups, kh, kw
  std::vector<std::vector<float>> blobs;     ///< weight, bias
};

/// The layers that carry weights, in the file's order. Errors: io, format (not a caffemodel; a blob whose
/// length differs from its shape), limit (over 1 GiB).
std::vector<CaffeLayer> load_caffemodel(const std::string& path);

}  // namespace sr
