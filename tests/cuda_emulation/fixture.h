// A test of the emulation: what it finds is asked for, nothing is left over.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tensor/cuda/gpu.h"
#include "tensor/error.h"
#include "tests/cuda_emulation/emulation.h"

namespace sr {

class CudaEmulation : public testing::Test {
 protected:
  void TearDown() override {
    emulation::options() = {};
    EXPECT_EQ(emulation::take_errors(), std::vector<std::string>());
  }

  // One block; the first thing the emulation says of it, or "".
  template <class... P>
  static std::string error_of(void (*kernel)(P...), unsigned threads, size_t shared_bytes,
                              std::type_identity_t<P>... args) {
    try {
      gpu::launch(kernel, dim3(1), dim3(threads), shared_bytes, nullptr, args...);
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), Error::Kind::device);
      const std::vector<std::string> errors = emulation::take_errors();
      EXPECT_FALSE(errors.empty()) << e.what();
      return errors.empty() ? e.what() : errors.front();
    }
    return "";
  }
};

}  // namespace sr
