// What is asked of every operation and every layer, on every instruction set.
#pragma once

#include "tests/autograd/op_cases.h"

namespace sr {

/// The result is the loops' within 2e-6 of the largest value (or of 1), whether gradients are recorded or
/// not.
void expect_forward(const OpCase& c);

/// For a random output gradient, each input's gradient along a random direction is the loops' central
/// difference within 1e-5 of what a sum of so many terms of such size typically comes to: sqrt(sum (gradient
/// * direction)^2). (The norms of the two vectors would be a bound that is larger by the root of their size.)
/// The inputs keep clear of kinks.
void expect_gradients(const OpCase& c);

/// <dy, f(x) - f(0)> = <f's gradient at dy, x> for every input that f is linear in, within 1e-5.
void expect_adjoint(const OpCase& c);

/// Result and gradients have the same bits for 1, 2 and 3 threads.
void expect_same_bits_for_any_threads(const OpCase& c);

/// Result and gradients have the same bits if the memory that tensors get is full of NaN.
void expect_fresh_memory_is_not_read(const OpCase& c);

/// Result and gradients have the same bits if all inputs and the output's gradient are views of the middle
/// channels of wider tensors that hold NaN beside them.
void expect_views_are_taken(const OpCase& c);

/// All of these.
void expect_all(const OpCase& c);

}  // namespace sr
