// One way to say which Error a call must end with.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "tensor/error.h"

namespace sr {

/// The call must throw an Error of this kind whose text holds `part`.
template <class Call>
void expect_error(Error::Kind kind, const std::string& part, Call&& call) {
  try {
    call();
    ADD_FAILURE() << "no error; expected one with '" << part << "'";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), kind) << e.what();
    EXPECT_NE(std::string(e.what()).find(part), std::string::npos) << e.what();
  }
}

}  // namespace sr
