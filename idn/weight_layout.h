// Weights as other programs order them: channels before rows and columns.
#pragma once

#include "autograd/params.h"
#include "io/formats/named_array.h"

namespace sr {

/// A weight [o, kh, kw, c] as [o, c, kh, kw] (of a transposed convolution [c, kh, kw, o] as [c, o, kh, kw]);
/// what is called NAME.bias, [1, 1, 1, o], as [o].
NamedArray channels_first(const std::string& name, const Tensor& tensor);

/// The same back. Errors: format (neither four sides nor one, or none of a length).
Tensor channels_last(const NamedArray& array);

/// The parameter whose values `tensor` shares, or null.
Parameter* parameter_of(Params& params, const Tensor& tensor);

}  // namespace sr
