// The CUDA runtime under its own names, linked in place of libcudart: memory and copies.
#include <cstring>
#include <memory>
#include <vector>

#include "tests/cuda_emulation/emulation.h"
#include "tests/cuda_emulation/memory.h"
#include "tests/cuda_emulation/runtime/runtime.h"

struct CUmemPoolHandle_st {};

namespace sr::emulation {

namespace {

cudaError_t begin(const char* call) {
  const cudaError_t injected = injected_error(call);
  if (injected != cudaSuccess) return injected;
  if (options().devices == 0) return cudaErrorNoDevice;
  return capturing() ? cudaErrorStreamCaptureUnsupported : cudaSuccess;
}

cudaError_t allocate(const char* call, void** p, size_t bytes, void* (*from)(size_t)) {
  *p = nullptr;
  const cudaError_t status = begin(call);
  if (status != cudaSuccess || bytes == 0) return keep(status);
  *p = from(bytes);
  return keep(*p != nullptr ? cudaSuccess : cudaErrorMemoryAllocation);
}

// Rows of `width` bytes, `dst_pitch` and `src_pitch` apart.
struct Copy {
  void* dst;
  size_t dst_pitch;
  const void* src;
  size_t src_pitch;
  size_t width, rows;
  cudaMemcpyKind kind;

  size_t extent(size_t pitch) const { return rows == 0 || width == 0 ? 0 : pitch * (rows - 1) + width; }
};

void copy_rows(const Copy& c, const void* src) {
  for (size_t y = 0; y < c.rows && c.width != 0; ++y) {
    std::memmove(static_cast<char*>(c.dst) + y * c.dst_pitch, static_cast<const char*>(src) + y * c.src_pitch,
                 c.width);
  }
}

bool fits(const void* p, size_t bytes, bool on_device) {
  const Place place = place_of(p);
  return (place.whose == Place::device) == on_device &&
         (place.whose == Place::host || bytes <= place.bytes_left);
}

cudaError_t check(const Copy& c) {
  if (c.extent(1) == 0) return cudaSuccess;
  if (c.width > c.dst_pitch || c.width > c.src_pitch) return cudaErrorInvalidValue;
  if (c.kind == cudaMemcpyDefault) return cudaSuccess;
  const bool to_device = c.kind == cudaMemcpyHostToDevice || c.kind == cudaMemcpyDeviceToDevice;
  const bool from_device = c.kind == cudaMemcpyDeviceToHost || c.kind == cudaMemcpyDeviceToDevice;
  const bool both =
      fits(c.dst, c.extent(c.dst_pitch), to_device) && fits(c.src, c.extent(c.src_pitch), from_device);
  return both ? cudaSuccess : cudaErrorInvalidValue;
}

// As the device does: memory of the host that is not pinned is read before the call returns, and written
// before the call returns.
cudaError_t copy_async(const char* call, const Copy& c, cudaStream_t stream) {
  const cudaError_t status = check(c);
  if (status != cudaSuccess) return keep(status);
  const bool staged = place_of(c.src).whose == Place::host && !capturing() && c.extent(1) != 0;
  if (staged) {
    const char* const first = static_cast<const char*>(c.src);
    const auto stage = std::make_shared<std::vector<char>>(first, first + c.extent(c.src_pitch));
    return start(call, stream, [=] {
      copy_rows(c, stage->data());
      return cudaSuccess;
    });
  }
  const cudaError_t started = start(call, stream, [=] {
    copy_rows(c, c.src);
    return cudaSuccess;
  });
  const bool waits = place_of(c.dst).whose == Place::host && !capturing();
  return started == cudaSuccess && waits ? finish(stream) : started;
}

cudaError_t copy(const char* call, const Copy& c) {
  if (capturing()) return keep(cudaErrorStreamCaptureUnsupported);
  const cudaError_t started = copy_async(call, c, nullptr);
  return started == cudaSuccess ? finish(nullptr) : started;
}

cudaError_t set(const char* call, void* p, int value, size_t bytes, cudaStream_t stream) {
  if (bytes != 0 && !fits(p, bytes, true)) return keep(cudaErrorInvalidValue);
  return start(call, stream, [=] {
    if (bytes != 0) std::memset(p, value, bytes);
    return cudaSuccess;
  });
}

}  // namespace

}  // namespace sr::emulation

using namespace sr::emulation;

extern "C" {

cudaError_t cudaMalloc(void** p, size_t bytes) {
  return allocate("cudaMalloc", p, bytes, allocate_device);
}

cudaError_t cudaMallocAsync(void** p, size_t bytes, cudaStream_t) {
  return allocate("cudaMallocAsync", p, bytes, allocate_device);
}

cudaError_t cudaMallocHost(void** p, size_t bytes) {
  return allocate("cudaMallocHost", p, bytes, allocate_pinned);
}

cudaError_t cudaHostAlloc(void** p, size_t bytes, unsigned) {
  return allocate("cudaHostAlloc", p, bytes, allocate_pinned);
}

// Waits for the device, as the device does.
cudaError_t cudaFree(void* p) {
  const cudaError_t status = begin("cudaFree");
  if (status != cudaSuccess || p == nullptr) return keep(status);
  const cudaError_t finished = finish_all();
  return keep(free_device(p) ? finished : cudaErrorInvalidValue);
}

cudaError_t cudaFreeAsync(void* p, cudaStream_t stream) {
  if (p == nullptr) return cudaSuccess;
  const cudaError_t injected = injected_error("cudaFreeAsync");
  if (injected != cudaSuccess) return keep(injected);
  if (!give_up_device(p)) return keep(cudaErrorInvalidValue);
  return start("", stream, [=] { return free_device(p) ? cudaSuccess : cudaErrorInvalidValue; });
}

cudaError_t cudaFreeHost(void* p) {
  const cudaError_t status = begin("cudaFreeHost");
  if (status != cudaSuccess || p == nullptr) return keep(status);
  const cudaError_t finished = finish_all();
  return keep(free_pinned(p) ? finished : cudaErrorInvalidValue);
}

cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  const cudaError_t status = begin("cudaMemGetInfo");
  *total = options().device_memory;
  *free = *total - std::min(*total, device_bytes_in_use() + device_bytes_kept());
  return keep(status);
}

cudaError_t cudaDeviceGetDefaultMemPool(cudaMemPool_t* pool, int device) {
  static CUmemPoolHandle_st the_pool;
  *pool = &the_pool;
  return keep(device >= 0 && device < options().devices ? cudaSuccess : cudaErrorInvalidDevice);
}

cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t, cudaMemPoolAttr attribute, void* value) {
  if (attribute != cudaMemPoolAttrReleaseThreshold) return keep(cudaErrorInvalidValue);
  keep_given_up(*static_cast<const uint64_t*>(value) > 0);
  return cudaSuccess;
}

// Of all of the device's memory: cudaMalloc's counts as the pool's.
cudaError_t cudaMemPoolGetAttribute(cudaMemPool_t, cudaMemPoolAttr attribute, void* value) {
  if (attribute != cudaMemPoolAttrUsedMemCurrent && attribute != cudaMemPoolAttrReservedMemCurrent)
    return keep(cudaErrorInvalidValue);
  const bool reserved = attribute == cudaMemPoolAttrReservedMemCurrent;
  *static_cast<uint64_t*>(value) = device_bytes_in_use() + (reserved ? device_bytes_kept() : 0);
  return cudaSuccess;
}

cudaError_t cudaMemPoolTrimTo(cudaMemPool_t, size_t least) {
  if (least > device_bytes_in_use())
    return keep(cudaErrorInvalidValue);  // not known how much that would keep
  forget_kept();
  return cudaSuccess;
}

cudaError_t cudaMemcpy(void* dst, const void* src, size_t bytes, cudaMemcpyKind kind) {
  return copy("cudaMemcpy", {dst, bytes, src, bytes, bytes, 1, kind});
}

cudaError_t cudaMemcpyAsync(void* dst, const void* src, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
  return copy_async("cudaMemcpyAsync", {dst, bytes, src, bytes, bytes, 1, kind}, stream);
}

cudaError_t cudaMemcpy2D(void* dst, size_t dst_pitch, const void* src, size_t src_pitch, size_t width,
                         size_t rows, cudaMemcpyKind kind) {
  return copy("cudaMemcpy2D", {dst, dst_pitch, src, src_pitch, width, rows, kind});
}

cudaError_t cudaMemcpy2DAsync(void* dst, size_t dst_pitch, const void* src, size_t src_pitch, size_t width,
                              size_t rows, cudaMemcpyKind kind, cudaStream_t stream) {
  return copy_async("cudaMemcpy2DAsync", {dst, dst_pitch, src, src_pitch, width, rows, kind}, stream);
}

cudaError_t cudaMemset(void* p, int value, size_t bytes) {
  return set("cudaMemset", p, value, bytes, nullptr);
}

cudaError_t cudaMemsetAsync(void* p, int value, size_t bytes, cudaStream_t stream) {
  return set("cudaMemsetAsync", p, value, bytes, stream);
}

}  // extern "C"
