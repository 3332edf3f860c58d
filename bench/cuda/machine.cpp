#include "bench/cuda/machine.h"

#include <cstdio>
#include <string>

#include "tensor/cuda/device.h"
#include "tensor/cuda/error.h"
#include "tensor/tensor.h"

namespace sr::bench {
namespace {

using gpu::check;
using nlohmann::ordered_json;

int attribute(cudaDeviceAttr name, int device) {
  int value = 0;
  check(cudaDeviceGetAttribute(&value, name, device), "the device's properties");
  return value;
}

std::string version(int number) {
  return std::to_string(number / 1000) + '.' + std::to_string(number % 1000 / 10);
}

constexpr const char* kQuery =
    "driver_version,clocks.sm,clocks.max.sm,clocks.mem,temperature.gpu,power.draw,clocks_event_reasons."
    "active";

ordered_json nvidia_smi(int device) {
  const std::string command = std::string("nvidia-smi --format=csv,noheader --query-gpu=") + kQuery + " -i " +
                              std::to_string(device) + " 2>/dev/null";
  std::FILE* pipe = popen(command.c_str(), "r");
  if (!pipe) return nullptr;
  char line[512] = "";
  const bool any = std::fgets(line, sizeof line, pipe) != nullptr;
  if (pclose(pipe) != 0 || !any) return nullptr;
  std::string text = line;
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return {{"query", kQuery}, {"answer", text}};
}

}  // namespace

ordered_json cuda_machine() {
  int device = 0, driver = 0, runtime = 0;
  check(cudaGetDevice(&device), "the device");
  check(cudaDriverGetVersion(&driver), "the driver's version");
  check(cudaRuntimeGetVersion(&runtime), "the runtime's version");
  const cuda::DeviceProperties p = cuda::device_properties(device);
  return {{"device", p.name},
          {"compute_capability", std::to_string(p.major) + '.' + std::to_string(p.minor)},
          {"multiprocessors", p.multiprocessors},
          {"memory_bytes", p.total_bytes},
          {"l2_bytes", attribute(cudaDevAttrL2CacheSize, device)},
          {"sm_clock_khz", attribute(cudaDevAttrClockRate, device)},
          {"memory_clock_khz", attribute(cudaDevAttrMemoryClockRate, device)},
          {"memory_bus_bits", attribute(cudaDevAttrGlobalMemoryBusWidth, device)},
          {"driver_for_cuda", version(driver)},
          {"runtime", version(runtime)},
          {"nvidia_smi", nvidia_smi(device)}};
}

double copy_bandwidth(cudaStream_t stream, const CudaTimer& timer) {
  constexpr int64_t kBytes = 512 << 20;
  const Tensor from(Shape{1, 1, 1, kBytes / 4}, DType::f32, Device::cuda);
  Tensor to(from.shape(), DType::f32, Device::cuda);
  const Timing t = timer.cold([&] {
    check(cudaMemcpyAsync(to.address(), from.address(), kBytes, cudaMemcpyDeviceToDevice, stream), "a copy");
  });
  return 2 * kBytes / (t.ms * 1e-3) * 1e-9;
}

}  // namespace sr::bench
