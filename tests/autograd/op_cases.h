// Every operation on Vars, each beside the same thing as double-precision loops. tests/autograd/op_checks.h
// says what is asked of a case.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "autograd/var.h"
#include "tests/support/reference.h"

namespace sr {

struct OpInput {
  Shape shape;
  double deviation = 1;  ///< of its normal random values
};

struct OpCase {
  std::string name;
  std::vector<OpInput> inputs;
  std::function<Var(const std::vector<Var>&)> op;
  std::function<reference::Array(const std::vector<reference::Array>&)> loops;
  std::vector<size_t> linear{};  ///< inputs in which the op is linear, or linear plus a constant
};

/// All operations of autograd/functions.h with all of their options, in odd sizes.
std::vector<OpCase> op_cases();

}  // namespace sr
