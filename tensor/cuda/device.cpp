#include "tensor/cuda/device.h"

#include <cuda_runtime_api.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <mutex>
#include <utility>
#include <vector>

#include "tensor/cuda/error.h"
#include "tensor/cuda/pool.h"
#include "tensor/error.h"

namespace sr::cuda {
namespace {

using gpu::check;

std::string version(int number) {
  return std::to_string(number / 1000) + '.' + std::to_string(number % 1000 / 10);
}

int counted_devices() {
  int driver = 0, runtime = 0, count = 0;
  cudaDriverGetVersion(&driver);
  cudaRuntimeGetVersion(&runtime);
  if (driver == 0)
    throw Error(Error::Kind::device, "cuda: there is no NVIDIA driver; install it, or use --device cpu");
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status == cudaErrorInsufficientDriver)
    throw Error(Error::Kind::device, "cuda: the driver is for CUDA ", version(driver), ", this build wants ",
                version(runtime), "; update the driver, or use --device cpu");
  if (status == cudaErrorNoDevice || (status == cudaSuccess && count == 0))
    throw Error(Error::Kind::device,
                "cuda: there is no device that can be used (CUDA_VISIBLE_DEVICES hides some); ",
                "use --device cpu");
  check(status, "cuda: counting the devices");
  return count;
}

int attribute_of(int device, cudaDeviceAttr attribute) {
  int value = 0;
  check(cudaDeviceGetAttribute(&value, attribute, device), "cuda: the device");
  return value;
}

bool new_enough(int device) {
  return attribute_of(device, cudaDevAttrComputeCapabilityMajor) >= 8;
}

[[noreturn]] void refuse_old(int device) {
  const DeviceProperties p = device_properties(device);
  throw Error(Error::Kind::device, "cuda:", device, ": ", p.name, " has compute capability ", p.major, '.',
              p.minor, ", the kernels need 8.0 or later; use --device cpu or another GPU");
}

// Streams outlive the threads that use them: memory that a thread leaves behind is freed in its stream's
// order.
class Streams {
 public:
  cudaStream_t take(int device) {
    {
      const std::lock_guard lock(mutex_);
      for (auto it = idle_.begin(); it != idle_.end(); ++it)
        if (it->first == device) {
          cudaStream_t stream = it->second;
          idle_.erase(it);
          return stream;
        }
    }
    cudaStream_t stream = nullptr;
    check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cuda: a stream");
    return stream;
  }
  void give_back(int device, cudaStream_t stream) {
    const std::lock_guard lock(mutex_);
    idle_.emplace_back(device, stream);
  }

 private:
  std::mutex mutex_;
  std::vector<std::pair<int, cudaStream_t>> idle_;
};

Streams& streams() {
  static Streams* all =
      new Streams;  // never destroyed: tensors in static objects may outlive any order of exit
  return *all;
}

// Freed memory is kept: giving it back and asking anew waits for the device.
void keep_freed_memory(int device) {
  cudaMemPool_t pool = nullptr;
  check(cudaDeviceGetDefaultMemPool(&pool, device), "cuda: the memory pool");
  uint64_t everything = UINT64_MAX;
  check(cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &everything), "cuda: the memory pool");
}

// A thread's device and its stream there.
struct Place {
  int device = 0;
  cudaStream_t stream = nullptr;
  int multiprocessors = 0, shared_bytes = 0;

  ~Place() { leave(); }
  void leave() {
    if (stream) streams().give_back(device, stream);
    stream = nullptr;
  }
  void enter(int index) {
    const int count = counted_devices();
    if (index < 0 || index >= count)
      throw Error(Error::Kind::device, "cuda:", index, ": there ", count == 1 ? "is " : "are ", count,
                  " device", count == 1 ? "" : "s", "; their numbers start at 0");
    if (!new_enough(index)) refuse_old(index);
    leave();
    check(cudaSetDevice(index), "cuda: choosing the device");
    multiprocessors = attribute_of(index, cudaDevAttrMultiProcessorCount);
    shared_bytes = attribute_of(index, cudaDevAttrMaxSharedMemoryPerBlockOptin);
    keep_freed_memory(index);
    stream = streams().take(index);
    device = index;
  }
};

Place& thread_place() {
  thread_local Place here;
  return here;
}

Place& place() {
  Place& here = thread_place();
  if (!here.stream) here.enter(here.device);
  return here;
}

std::shared_ptr<DevicePool>& thread_pool() {
  thread_local std::shared_ptr<DevicePool> pool;
  return pool;
}

// The thread's device again when it ends.
class OnDevice {
 public:
  explicit OnDevice(int index) {
    check(cudaGetDevice(&before_), "cuda: the device");
    check(cudaSetDevice(index), "cuda: choosing the device");
  }
  ~OnDevice() { cudaSetDevice(before_); }
  OnDevice(const OnDevice&) = delete;
  OnDevice& operator=(const OnDevice&) = delete;

 private:
  int before_ = 0;
};

// Freed memory that is kept may lie in pieces: before it is said that there is none, they are given back.
cudaError_t allocated(void** memory, int64_t bytes, cudaStream_t stream) {
  const size_t size = static_cast<size_t>(std::max<int64_t>(bytes, 1));  // what 0 gives is not documented
  cudaError_t status = cudaMallocAsync(memory, size, stream);
  if (status != cudaErrorMemoryAllocation) return status;
  cudaGetLastError();
  cudaMemPool_t pool = nullptr;
  check(cudaDeviceGetDefaultMemPool(&pool, thread_place().device), "cuda: the memory pool");
  check(cudaStreamSynchronize(stream), "cuda: memory");
  check(cudaMemPoolTrimTo(pool, 0), "cuda: the memory pool");
  status = cudaMallocAsync(memory, size, stream);
  if (status == cudaErrorMemoryAllocation) cudaGetLastError();
  return status;
}

void* device_memory(int64_t bytes, cudaStream_t stream) {
  void* memory = nullptr;
  const cudaError_t status = allocated(&memory, bytes, stream);
  if (status == cudaErrorMemoryAllocation) {
    const int device = thread_place().device;
    throw Error(Error::Kind::limit, "cuda: ", bytes, " bytes do not fit into the device's memory, of which ",
                free_bytes(device), " of ", device_properties(device).total_bytes, " are free");
  }
  check(status, "cuda: memory");
  return memory;
}

// What a kernel did wrong is told to whoever waits for it first.
void check_waited(cudaError_t status) {
  check(status,
        "cuda: waiting for the device (CUDA_LAUNCH_BLOCKING=1 in the environment tells which operation "
        "failed)");
}

void wait_for(cudaStream_t stream) {
  check_waited(cudaStreamSynchronize(stream));
}

constexpr const char* kPrecisionNames[] = {"fp32", "tf32", "bf16", "fp16"};

std::atomic<Precision> the_precision{Precision::fp32};

}  // namespace

std::vector<int> usable_devices() {
  std::vector<int> usable;
  for (int i = 0, count = counted_devices(); i < count; ++i)
    if (new_enough(i) && (usable.empty() || device_properties(i).name == device_properties(usable[0]).name))
      usable.push_back(i);
  if (usable.empty()) refuse_old(0);
  return usable;
}

DeviceProperties device_properties(int index) {
  const int count = counted_devices();
  if (index < 0 || index >= count)
    throw Error(Error::Kind::device, "cuda:", index, ": there are ", count, " devices");
  cudaDeviceProp p{};
  check(cudaGetDeviceProperties(&p, index), "cuda: the device's properties");
  char bus[32];
  std::snprintf(bus, sizeof bus, "%04x:%02x:%02x", static_cast<unsigned>(p.pciDomainID),
                static_cast<unsigned>(p.pciBusID), static_cast<unsigned>(p.pciDeviceID));
  return {p.name, p.major, p.minor, p.multiProcessorCount, static_cast<int64_t>(p.totalGlobalMem), bus};
}

int64_t free_bytes(int index) {
  const OnDevice here(index);
  size_t free = 0, total = 0;
  check(cudaMemGetInfo(&free, &total), "cuda: the device's memory");
  cudaMemPool_t pool = nullptr;
  uint64_t reserved = 0, used = 0;
  check(cudaDeviceGetDefaultMemPool(&pool, index), "cuda: the memory pool");
  check(cudaMemPoolGetAttribute(pool, cudaMemPoolAttrReservedMemCurrent, &reserved), "cuda: the memory pool");
  check(cudaMemPoolGetAttribute(pool, cudaMemPoolAttrUsedMemCurrent, &used), "cuda: the memory pool");
  return static_cast<int64_t>(free + (reserved - used));
}

void use_device(int index) {
  Place& here = thread_place();
  if (!here.stream || here.device != index) here.enter(index);
}

int device_index() {
  return place().device;
}

Queue queue() {
  const Place& here = place();
  return {here.stream, 8 * here.multiprocessors};
}

int64_t shared_bytes_of_block() {
  return place().shared_bytes;
}

bool has_wgmma() {
  const int device = place().device;
  return attribute_of(device, cudaDevAttrComputeCapabilityMajor) == 9 &&
         attribute_of(device, cudaDevAttrComputeCapabilityMinor) == 0;
}

void synchronize() {
  wait_for(place().stream);
}

DevicePool::~DevicePool() {
  for (const auto& [bytes, block] : free_) cudaFreeAsync(block, stream_);
}

void* DevicePool::take(int64_t bytes, CUstream_st* stream) {
  stream_ = stream;
  if (const auto block = free_.find(bytes); block != free_.end()) {
    void* memory = block->second;
    free_.erase(block);
    return memory;
  }
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  check(cudaStreamIsCapturing(stream, &status), "cuda: recording");
  if (status != cudaStreamCaptureStatusNone)
    throw Error(Error::Kind::usage,
                "cuda: what is recorded asks for other memory than when it was run before");
  return device_memory(bytes, stream);
}

UsePool::UsePool(std::shared_ptr<DevicePool> pool) : before_(std::exchange(thread_pool(), std::move(pool))) {}

UsePool::~UsePool() {
  thread_pool() = std::move(before_);
}

std::shared_ptr<void> allocate(int64_t bytes) {
  cudaStream_t stream = place().stream;
  if (const std::shared_ptr<DevicePool> pool = thread_pool())
    return {pool->take(bytes, stream), [pool, bytes](void* block) { pool->give_back(block, bytes); }};
  return {device_memory(bytes, stream), [stream](void* block) { cudaFreeAsync(block, stream); }};
}

void copy_to_device(void* device, const void* host, int64_t bytes) {
  cudaStream_t stream = place().stream;
  check(cudaMemcpyAsync(device, host, static_cast<size_t>(bytes), cudaMemcpyHostToDevice, stream),
        "cuda: a copy to the device");
  wait_for(stream);
}

void copy_to_host(void* host, const void* device, int64_t bytes) {
  cudaStream_t stream = place().stream;
  check(cudaMemcpyAsync(host, device, static_cast<size_t>(bytes), cudaMemcpyDeviceToHost, stream),
        "cuda: a copy from the device");
  wait_for(stream);
}

const char* name_of(Precision precision) {
  return kPrecisionNames[static_cast<int>(precision)];
}

Precision precision_named(const std::string& name) {
  for (const Precision p : {Precision::fp32, Precision::tf32, Precision::bf16, Precision::fp16})
    if (name == name_of(p)) return p;
  throw Error(Error::Kind::usage, "precision '", name, "'; want fp32, tf32, bf16 or fp16");
}

PinnedMemory::~PinnedMemory() {
  cudaFreeHost(data_);
}

void* PinnedMemory::reserve(int64_t bytes) {
  if (bytes <= bytes_) return data_;
  place();  // on the thread's device
  cudaFreeHost(std::exchange(data_, nullptr));
  bytes_ = 0;
  check(cudaMallocHost(&data_, static_cast<size_t>(bytes)), "cuda: pinned memory of the host");
  bytes_ = bytes;
  return data_;
}

void start_copy_to_device(void* device, const void* pinned, int64_t bytes) {
  check(cudaMemcpyAsync(device, pinned, static_cast<size_t>(bytes), cudaMemcpyHostToDevice, place().stream),
        "cuda: a copy to the device");
}

void start_copy_to_host(void* pinned, const void* device, int64_t bytes) {
  check(cudaMemcpyAsync(pinned, device, static_cast<size_t>(bytes), cudaMemcpyDeviceToHost, place().stream),
        "cuda: a copy from the device");
}

void start_copy_on_device(void* to, const void* from, int64_t bytes) {
  check(cudaMemcpyAsync(to, from, static_cast<size_t>(bytes), cudaMemcpyDeviceToDevice, place().stream),
        "cuda: a copy on the device");
}

Event::~Event() {
  if (event_) cudaEventDestroy(event_);
}

void Event::record() {
  cudaStream_t stream = place().stream;
  if (!event_) check(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming), "cuda: an event");
  check(cudaEventRecord(event_, stream), "cuda: an event");
}

void Event::wait() {
  check_waited(cudaEventSynchronize(event_));
}

bool Event::passed() {
  const cudaError_t status = cudaEventQuery(event_);
  if (status == cudaErrorNotReady) {
    cudaGetLastError();
    return false;
  }
  check_waited(status);
  return true;
}

void set_precision(Precision precision) {
  the_precision = precision;
}

Precision precision() {
  return the_precision;
}

DType storage(Precision precision) {
  return precision == Precision::bf16 ? DType::bf16 : precision == Precision::fp16 ? DType::f16 : DType::f32;
}

}  // namespace sr::cuda
