// Whether this build has AddressSanitizer, whose code is ten to thirty times as slow.
#pragma once

namespace sr {

#ifdef __SANITIZE_ADDRESS__
constexpr bool kInstrumented = true;
#else
constexpr bool kInstrumented = false;
#endif

}  // namespace sr
