// Who reads that a kernel failed wants to know of what.
#pragma once

#include "tensor/error.h"

namespace sr::cuda {

/// f(). A failure of the device is told after the words, which say what was computed, with its shapes.
/// Errors: those of f.
template <class F, class... Words>
decltype(auto) telling(F&& f, const Words&... words) {
  try {
    return f();
  } catch (const Error& e) {
    if (e.kind() != Error::Kind::device) throw;
    throw Error(Error::Kind::device, words..., ": ", e.what());
  }
}

}  // namespace sr::cuda
