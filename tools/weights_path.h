// Where a program finds weights that it was not told of.
#pragma once

#include <string>

namespace sr {

/// `pretrained_path`, or if that is empty, the weights that were installed with the program: for
/// PREFIX/bin/NAME PREFIX/share/superres/pretrained. Errors: usage (there are none either; the line ends with
/// `way_out`).
std::string weights_path(const std::string& pretrained_path, const std::string& way_out = "");

}  // namespace sr
