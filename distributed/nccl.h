// NVIDIA's NCCL, which carries numbers from GPU to GPU: as much of its C interface as is used. It is declared
// here, for its binary interface stays, and loaded when the program asks for it, so that nothing links it.
#pragma once

#include <cstddef>
#include <string>

struct CUstream_st;

namespace sr::nccl {

/// One process among those that talk, as the library knows it.
struct Comm;

/// What functions return: 0 (done), 7 (goes on, get_async_error() tells when it is done), others (failed).
using Result = int;
inline constexpr Result kDone = 0, kGoesOn = 7;

/// What numbers are.
using DataType = int;
inline constexpr DataType kFloat32 = 7;

/// By which the processes find each other.
struct UniqueId {
  char bytes[128];
};

/// The first fields of the library's, as of 2.14: `size` tells how many.
struct Config {
  size_t size = sizeof(Config);
  unsigned magic = 0xcafebeef, version = 21400;
  int blocking = 0;  ///< functions return before they are done
};

/// Its functions, each named as in the library without its "nccl".
struct Library {
  int version = 0;
  Result (*GetVersion)(int* version);
  const char* (*GetErrorString)(Result);
  const char* (*GetLastError)(Comm*);
  Result (*GetUniqueId)(UniqueId*);
  Result (*CommInitRankConfig)(Comm**, int size, UniqueId, int rank, Config*);
  Result (*CommGetAsyncError)(Comm*, Result*);
  Result (*CommAbort)(Comm*);
  Result (*CommDestroy)(Comm*);
  Result (*GroupStart)();
  Result (*GroupEnd)();
  Result (*Send)(const void*, size_t count, DataType, int to, Comm*, CUstream_st*);
  Result (*Recv)(void*, size_t count, DataType, int from, Comm*, CUstream_st*);
};

/// Loads libnccl.so.2 from where the loader looks (LD_LIBRARY_PATH). Errors: unsupported (why there is none:
/// not found, older than 2.14, SR_NCCL=off in the environment); usage (SR_NCCL is something else).
const Library& library();

/// "2.28.9" of 22809.
std::string version_name(int version);

/// The version, or "none; " and why.
std::string description();

}  // namespace sr::nccl
