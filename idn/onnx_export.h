// A model as an ONNX graph that other programs run.
#pragma once

#include <string>
#include <vector>

#include "idn/model.h"
#include "io/formats/onnx.h"

namespace sr {

struct OnnxOptions {
  bool with_bicubic = false;  ///< the output is the enlarged image, as it always is of a network without a
                              ///< base; else what the network adds to it
  ValueRanges range = {};     ///< the images hold samples, of which the network sees these as 0 and 1; none:
                              ///< they hold what the network sees
  int64_t tile = 0;           ///< width and height of the one image that is taken; 0: any number of any size
};

/// The graph: "input" [batch, nchan, height, width] to "output", factor times as high and wide, both float32,
/// in operator set 13. It is made of the stages of Network::program(); weights are called as in a checkpoint.
/// Results are those of super_resolve() or network_residual() but for the order of sums. Errors: usage
/// (neither one range nor nchan; a tile of less than no pixels).
OnnxModel onnx_model(const Model& model, const OnnxOptions& options);

/// What Evoland's sentinel2_superresolution wants beside `onnx_path`: the bands' names, the factor, and the
/// margin in fine pixels. Errors: usage (not as many bands as the network has channels; a name that is none).
std::string evoland_yaml(const Model& model, const std::string& onnx_path,
                         const std::vector<std::string>& bands);

}  // namespace sr
