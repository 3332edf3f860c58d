// What --version tells.
#pragma once

#include <string>

namespace sr {

/// The commit that the program was built from, "1a2b3c4", or "1a2b3c4-dirty" if files were changed since;
/// "unknown" without a git repository. The build makes it (cmake/commit.cmake).
extern const char* const kCommit;
/// Its day, "2026-11-29"; without a git repository that of the build.
extern const char* const kCommitDate;

/// "NAME 0.1.0 (1a2b3c4)", and a line each for CUDA, the instruction set in use, the GPUs in use or why
/// there are none, the MPIs that several processes can be started by, and NCCL. Errors: usage (SR_SIMD, as
/// active_simd(); SR_NCCL, as nccl::library()).
std::string version_text(const std::string& name);

}  // namespace sr
