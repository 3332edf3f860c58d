#include "tensor/stop.h"

#include <atomic>

#include "tensor/error.h"

namespace sr {
namespace {

std::atomic<const volatile std::sig_atomic_t*> flag_to_ask = nullptr;

}  // namespace

void stop_when(const volatile std::sig_atomic_t* flag) {
  flag_to_ask = flag;
}

bool stopping() {
  const volatile std::sig_atomic_t* flag = flag_to_ask.load(std::memory_order_relaxed);
  return flag && *flag != 0;
}

void throw_if_stopping() {
  if (stopping()) throw Error(Error::Kind::stopped, "interrupted");
}

}  // namespace sr
