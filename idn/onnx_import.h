// Weights out of ONNX graphs.
#pragma once

#include <string>

#include "idn/model.h"

namespace sr {

/// The model of an ONNX file that holds this network: one that onnx_model() made, or PyTorch's exporter of
/// the same network. Every stage of Network::program() is looked for in the graph, from the image to the
/// transposed convolution: kernels, groups, padding, slopes, what is split, joined and added. What the graph
/// does after that is not looked at. A block whose last channels skip the rest, in the place of the first, is
/// turned. Without metadata of ours means are zero and the range is that of 8 bits. Errors: as load_onnx;
/// format (another network: what differs first).
Model model_of_onnx(const std::string& path);

}  // namespace sr
