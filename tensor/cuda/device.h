// The GPUs of this machine: which there are, a stream for each thread, their memory. Only a build with CUDA
// has it; elsewhere tensor.h's Device::cuda is refused.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tensor/cuda/view.h"
#include "tensor/on_cuda.h"

struct CUevent_st;

namespace sr::cuda {

/// What a GPU is.
struct DeviceProperties {
  std::string name;         ///< as its maker calls it
  int major = 0;            ///< of its compute capability
  int minor = 0;            ///< likewise
  int multiprocessors = 0;  ///< how many it has
  int64_t total_bytes = 0;  ///< of its memory
  std::string bus;          ///< where it is in this machine: "0000:17:00"; its parts (MIG) have the same
};

/// The numbers of the devices that compute together: the first that has what the kernels need (compute
/// capability 8.0: Ampere), and all of its kind, so that a tile has the same bits on each. Errors: device (no
/// driver, one that is older than this build's runtime, no device, none of them new enough; what to do).
std::vector<int> usable_devices();

/// Of device `index`, which need not be usable. Errors: device (there is none of this number; how many there
/// are).
DeviceProperties device_properties(int index);

/// Memory of device `index` that tensors can still have: what is free, and what this process has freed and
/// keeps. Errors: device.
int64_t free_bytes(int index);

/// Makes `index` the device of the calling thread; a thread that never called it has device 0. Tensors belong
/// to the device of the thread that made them. Errors: device (there is none of this number, or it is too
/// old).
void use_device(int index);

/// The number of the calling thread's device.
int device_index();

/// The calling thread's stream on its device. What one thread asks for is done in order.
Queue queue();

/// Shared memory that a block of a kernel may have on the calling thread's device.
int64_t shared_bytes_of_block();

/// Whether that device has the instructions of tensor/cuda/hopper.h: compute capability 9.0, no other.
bool has_wgmma();

/// Waits for everything that the calling thread has asked for. Errors: device (a kernel failed).
void synchronize();

/// Memory of the host that copies to and from the device reach by themselves, while the processor does other
/// things.
class PinnedMemory {
 public:
  PinnedMemory() = default;
  ~PinnedMemory();
  PinnedMemory(const PinnedMemory&) = delete;
  PinnedMemory& operator=(const PinnedMemory&) = delete;

  /// At least so many bytes; what was there before is lost if it must grow. Errors: limit, device.
  void* reserve(int64_t bytes);

 private:
  void* data_ = nullptr;
  int64_t bytes_ = 0;
};

/// Copies in the order of the thread's stream; the host's memory must be pinned, and left alone until
/// synchronize().
void start_copy_to_device(void* device, const void* pinned, int64_t bytes);
void start_copy_to_host(void* pinned, const void* device, int64_t bytes);  ///< likewise
/// The same within the device.
void start_copy_on_device(void* to, const void* from, int64_t bytes);

/// A place in the order of a thread's stream, for those who need not wait for what comes after it.
class Event {
 public:
  Event() = default;
  ~Event();
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  /// Behind everything that the calling thread has asked for. Errors: device.
  void record();
  /// Until the device has come by. Errors: device (a kernel failed).
  void wait();
  /// Whether it has. Errors: likewise.
  bool passed();

 private:
  CUevent_st* event_ = nullptr;
};

/// How convolutions on a device compute, and what their results are stored as.
enum class Precision {
  fp32,  ///< float32, products too
  tf32,  ///< float32, products on the tensor cores of operands rounded to 10 bits of mantissa
  bf16,  ///< stored and multiplied as bfloat16, summed as float32
  fp16   ///< the same with half precision
};

const char* name_of(Precision precision);  ///< as above
/// Errors: usage (the name is none of them).
Precision precision_named(const std::string& name);

/// For all threads; fp32 until it is set.
void set_precision(Precision precision);
Precision precision();  ///< that which was set
/// What activations are stored as.
DType storage(Precision precision);

}  // namespace sr::cuda
