// The operations of tensor/ on Vars: the same names, forward and derivative side by side in functions.cpp.
#pragma once

#include <vector>

#include "autograd/var.h"
#include "tensor/conv2d.h"

namespace sr {

Var conv2d(const Var& x, const Var& weight, const Var& bias, const Conv2dOptions& options,
           const std::vector<Var>& added = {});
Var conv_transpose2d(const Var& x, const Var& weight, const Var& bias, int64_t h, int64_t w,
                     const Conv2dOptions& options);
/// Channels begin (inclusive) to end (exclusive); no copy.
Var channels(const Var& x, int64_t begin, int64_t end);
/// Sum of two values of one shape.
Var add(const Var& a, const Var& b);

}  // namespace sr
