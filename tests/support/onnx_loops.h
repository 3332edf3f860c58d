// ONNX graphs computed by plain loops in double, as ONNX defines the operators, for those that the project
// writes.
#pragma once

#include "io/formats/onnx.h"
#include "tensor/tensor.h"

namespace sr {

/// The graph's only output for its only input, both [1, h, w, c] here. Throws std::runtime_error for an
/// operator that is not here.
Tensor run_onnx(const OnnxModel& graph, const Tensor& image);

}  // namespace sr
