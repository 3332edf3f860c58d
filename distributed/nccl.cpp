#include "distributed/nccl.h"

#include <dlfcn.h>

#include <cstdlib>

#include "tensor/error.h"

namespace sr::nccl {
namespace {

constexpr const char* kName = "libnccl.so.2";
constexpr int kOldest = 21400;  // has communicators whose functions do not block

void check_environment() {
  const char* const asked = std::getenv("SR_NCCL");
  if (!asked || !*asked) return;
  if (std::string(asked) == "off") throw Error(Error::Kind::unsupported, "SR_NCCL=off in the environment");
  throw Error(Error::Kind::usage, "SR_NCCL=", asked, ": want off, or nothing");
}

std::string last_error() {
  const char* text = dlerror();
  return text ? text : "unknown error";
}

class Loaded {
 public:
  // The file stays loaded.
  Loaded() : file_(dlopen(kName, RTLD_NOW | RTLD_LOCAL)) {
    if (!file_) throw Error(Error::Kind::unsupported, last_error());
    load(library.GetVersion, "ncclGetVersion");
    if (library.GetVersion(&library.version) != kDone || library.version < kOldest)
      throw Error(Error::Kind::unsupported, kName, " is of version ", version_name(library.version),
                  ", want ", version_name(kOldest), " or later");
    load(library.GetErrorString, "ncclGetErrorString");
    load(library.GetLastError, "ncclGetLastError");
    load(library.GetUniqueId, "ncclGetUniqueId");
    load(library.CommInitRankConfig, "ncclCommInitRankConfig");
    load(library.CommGetAsyncError, "ncclCommGetAsyncError");
    load(library.CommAbort, "ncclCommAbort");
    load(library.CommDestroy, "ncclCommDestroy");
    load(library.GroupStart, "ncclGroupStart");
    load(library.GroupEnd, "ncclGroupEnd");
    load(library.Send, "ncclSend");
    load(library.Recv, "ncclRecv");
  }

  Library library{};

 private:
  template <class F>
  void load(F& function, const char* name) {
    function = reinterpret_cast<F>(dlsym(file_, name));
    if (!function) throw Error(Error::Kind::unsupported, last_error());
  }

  void* file_;
};

}  // namespace

const Library& library() {
  check_environment();
  static const Loaded loaded;
  return loaded.library;
}

// Up to 2.8 it was 1000 * major.
std::string version_name(int version) {
  const int unit = version < 10000 ? 1000 : 10000;
  return std::to_string(version / unit) + '.' + std::to_string(version % unit / 100) + '.' +
         std::to_string(version % 100);
}

std::string description() {
  try {
    return version_name(library().version);
  } catch (const Error& e) {
    if (e.kind() != Error::Kind::unsupported) throw;
    return std::string("none; ") + e.what();
  }
}

}  // namespace sr::nccl
