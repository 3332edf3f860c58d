// SPAN's weights as its authors publish them.
#pragma once

#include <string>
#include <vector>

#include "idn/model.h"
#include "io/formats/named_array.h"

namespace sr {

/// Whether the arrays are called as those of https://github.com/hongyuanyu/SPAN, with "params." or
/// "params_ema." before the names or without.
bool has_published_span_names(const std::vector<NamedArray>& arrays);

/// Their network, which makes the image itself out of 255 times the distance from its data set's mean (of
/// the image itself where there is a "no_norm"). Its branches become one convolution, or, where they are
/// missing, what it uses instead of them (`eval_conv`) or a plain convolution is taken; channels are filled
/// up to a multiple of 16 by ones that stay zero. Of "params_ema." and "params." the former is taken.
/// `name` is for the origin. Errors: format (arrays are missing, unknown or of other shapes), usage.
Model model_of_published_span(const std::vector<NamedArray>& arrays, const std::string& name);

}  // namespace sr
