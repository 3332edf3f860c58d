// How other programs' files hold a model: weights with channels before rows and columns, and our options.
#pragma once

#include "autograd/params.h"
#include "io/formats/named_array.h"

namespace sr {

/// The key of the metadata of ONNX and safetensors files that holds what a checkpoint says of its network
/// (docs/formats.md).
constexpr const char* kModelMetadata = "superres";

/// A weight [o, kh, kw, c] as [o, c, kh, kw] (of a transposed convolution [c, kh, kw, o] as [c, o, kh, kw]);
/// what is called NAME.bias, [1, 1, 1, o], as [o].
NamedArray channels_first(const std::string& name, const Tensor& tensor);

/// The same back. Errors: format (neither four sides nor one, or none of a length).
Tensor channels_last(const NamedArray& array);

/// The parameter whose values `tensor` shares, or null.
Parameter* parameter_of(Params& params, const Tensor& tensor);

/// Where the weight of a stage of a network comes from: a parameter, or `scale` times one, where a network
/// counts in other units within (a power of two, so nothing is rounded).
struct WeightSource {
  Parameter* parameter = nullptr;  ///< none: the weight is made of several
  float scale = 1;
};
WeightSource source_of(Params& params, const Tensor& weight);

}  // namespace sr
