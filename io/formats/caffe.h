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
  int64_t stride = 1;                        ///< of a convolution; 1 if the layer does not say
};

/// The layers that carry weights, in the file's order. Errors: io, format (not a caffemodel; a blob whose
/// length differs from its shape; layers of Caffe's old formats, which its tool resaves), limit (over 64 MiB:
/// a hostile file may need thirty times its size in memory).
std::vector<CaffeLayer> load_caffemodel(const std::string& path);

}  // namespace sr
