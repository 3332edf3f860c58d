// The CUDA runtime under its own names, linked in place of libcudart: streams, events and graphs.
#include <chrono>
#include <deque>
#include <memory>
#include <mutex>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "tests/cuda_emulation/emulation.h"
#include "tests/cuda_emulation/memory.h"
#include "tests/cuda_emulation/runtime/runtime.h"

namespace sr::emulation {

// The first `count` pieces of work that a stream was given.
struct Ticket {
  CUstream_st* stream = nullptr;
  uint64_t count = 0;
};

struct Item {
  Work work;
  std::vector<Ticket> after;  // done before it
};

}  // namespace sr::emulation

struct CUstream_st {
  std::deque<sr::emulation::Item> queue;
  uint64_t given = 0, done = 0;
  bool waits_for_default = true;  // as the default stream does for it
  bool alive = true;
  int device = 0;
  CUgraph_st* capture = nullptr;  // what it is given goes there
};

struct CUevent_st {
  sr::emulation::Ticket ticket;
  std::chrono::steady_clock::time_point time;  // when the device came by
};

struct CUgraph_st {
  std::vector<sr::emulation::Work> work;
  int* captures = nullptr;  // where it is counted while it is being captured
};

struct CUgraphExec_st {
  std::vector<sr::emulation::Work> work;
};

namespace sr::emulation {

namespace {

// Every stream there ever was: tickets may be older than their stream.
struct Streams {
  std::recursive_mutex mutex;
  CUstream_st standard;  // what null stands for
  std::vector<std::unique_ptr<CUstream_st>> others;
  int captures = 0;                 // that keep every thread from waiting
  cudaError_t error = cudaSuccess;  // of work, not told yet
};
Streams& streams() {
  static Streams& all = *new Streams;
  return all;
}

thread_local int t_captures = 0;  // that keep this thread from it

CUstream_st* stream_of(cudaStream_t stream) {
  return stream == nullptr || stream == cudaStreamLegacy ? &streams().standard : stream;
}

// False: some of it waits for another device.
bool run(const Ticket& ticket) {
  CUstream_st& s = *ticket.stream;
  while (s.done < ticket.count) {
    const Item& item = s.queue.front();
    for (const Ticket& t : item.after)
      if (!run(t)) return false;
    cudaError_t status;
    {
      const DeviceRuns runs;
      status = item.work();
    }
    if (status == cudaErrorNotReady) return false;
    s.queue.pop_front();
    ++s.done;
    if (streams().error == cudaSuccess) streams().error = status;
  }
  return true;
}

// While others go on. The caller must not hold the lock.
void run_all(const Ticket& ticket) {
  for (;;) {
    {
      const std::lock_guard lock(streams().mutex);
      if (run(ticket)) return;
    }
    std::this_thread::sleep_for(std::chrono::microseconds(50));
  }
}

Ticket all_of(CUstream_st* s) {
  return {s, s->given};
}

Ticket all_given_to(CUstream_st* s) {
  const std::lock_guard lock(streams().mutex);
  return all_of(s);
}

// What the default stream's rules put before new work in s.
std::vector<Ticket> before(const CUstream_st* s) {
  std::vector<Ticket> tickets;
  if (s == &streams().standard) {
    for (const auto& other : streams().others) {
      if (other->waits_for_default && !other->queue.empty()) tickets.push_back(all_of(other.get()));
    }
  } else if (s->waits_for_default) {
    tickets.push_back(all_of(&streams().standard));
  }
  return tickets;
}

void push(CUstream_st* s, Work work, std::vector<Ticket> after) {
  s->queue.push_back({std::move(work), std::move(after)});
  ++s->given;
}

cudaError_t told() {
  return keep(std::exchange(streams().error, cudaSuccess));
}

cudaError_t no_work() {
  return cudaSuccess;
}

// Whether all is done; a question brings the device one piece of work further.
cudaError_t query(const Ticket& ticket) {
  if (ticket.stream == nullptr || ticket.stream->done >= ticket.count) return told();
  run({ticket.stream, ticket.stream->done + 1});
  return keep(cudaErrorNotReady);
}

cudaError_t begin(const char* call, cudaStream_t stream) {
  const cudaError_t injected = injected_error(call);
  if (injected != cudaSuccess) return injected;
  if (options().devices == 0) return cudaErrorNoDevice;
  return stream_of(stream)->alive ? cudaSuccess : cudaErrorInvalidResourceHandle;
}

cudaError_t create_stream(const char* call, cudaStream_t* stream, unsigned flags) {
  const std::lock_guard lock(streams().mutex);
  *stream = nullptr;
  const cudaError_t status = begin(call, nullptr);
  if (status != cudaSuccess) return keep(status);
  streams().others.push_back(std::make_unique<CUstream_st>());
  *stream = streams().others.back().get();
  (*stream)->device = device();
  (*stream)->waits_for_default = (flags & cudaStreamNonBlocking) == 0;
  return cudaSuccess;
}

}  // namespace

cudaError_t start(const char* call, cudaStream_t stream, Work work) {
  const std::lock_guard lock(streams().mutex);
  const cudaError_t status = begin(call, stream);
  if (status != cudaSuccess) return keep(status);
  CUstream_st* const s = stream_of(stream);
  if (s->capture != nullptr) {
    s->capture->work.push_back(std::move(work));
    return cudaSuccess;
  }
  if (capturing() && s == &streams().standard) return keep(cudaErrorStreamCaptureUnsupported);
  push(s, std::move(work), before(s));
  if (options().late) return cudaSuccess;
  run(all_of(s));
  return told();
}

cudaError_t finish(cudaStream_t stream) {
  run_all(all_given_to(stream_of(stream)));
  const std::lock_guard lock(streams().mutex);
  return told();
}

cudaError_t finish_all() {
  std::vector<Ticket> all;
  {
    const std::lock_guard lock(streams().mutex);
    all.push_back(all_of(&streams().standard));
    for (const auto& s : streams().others)
      if (s->device == device()) all.push_back(all_of(s.get()));
  }
  for (const Ticket& ticket : all) run_all(ticket);
  const std::lock_guard lock(streams().mutex);
  return told();
}

bool capturing() {
  const std::lock_guard lock(streams().mutex);
  return streams().captures + t_captures > 0;
}

}  // namespace sr::emulation

using namespace sr::emulation;

extern "C" {

// ---- Streams ----

cudaError_t cudaStreamCreate(cudaStream_t* stream) {
  return create_stream("cudaStreamCreate", stream, cudaStreamDefault);
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  return create_stream("cudaStreamCreateWithFlags", stream, flags);
}

// What is in it is done before it is gone.
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  {
    const std::lock_guard lock(streams().mutex);
    const cudaError_t status = begin("cudaStreamDestroy", stream);
    if (status != cudaSuccess) return keep(status);
    stream->alive = false;
  }
  run_all(all_given_to(stream));
  return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  {
    const std::lock_guard lock(streams().mutex);
    const cudaError_t status = begin("cudaStreamSynchronize", stream);
    if (status != cudaSuccess) return keep(status);
    if (stream_of(stream)->capture != nullptr) return keep(cudaErrorStreamCaptureUnsupported);
  }
  return finish(stream);
}

cudaError_t cudaDeviceSynchronize() {
  {
    const std::lock_guard lock(streams().mutex);
    const cudaError_t status = begin("cudaDeviceSynchronize", nullptr);
    if (status != cudaSuccess) return keep(status);
    if (capturing()) return keep(cudaErrorStreamCaptureUnsupported);
  }
  return finish_all();
}

cudaError_t cudaStreamQuery(cudaStream_t stream) {
  const std::lock_guard lock(streams().mutex);
  const cudaError_t status = begin("cudaStreamQuery", stream);
  return status != cudaSuccess ? keep(status) : query(all_of(stream_of(stream)));
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  const std::lock_guard lock(streams().mutex);
  const cudaError_t status = begin("cudaStreamWaitEvent", stream);
  if (status != cudaSuccess) return keep(status);
  CUstream_st* const s = stream_of(stream);
  if (s->capture != nullptr) return keep(cudaErrorStreamCaptureUnsupported);
  if (event->ticket.stream == nullptr) return cudaSuccess;
  std::vector<Ticket> after = before(s);
  after.push_back(event->ticket);
  push(s, no_work, std::move(after));
  if (!options().late) run(all_of(s));
  return cudaSuccess;
}

// ---- Events ----

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  *event = nullptr;
  const cudaError_t status = begin("cudaEventCreateWithFlags", nullptr);
  if (status == cudaSuccess) *event = new CUevent_st;
  return keep(status);
}

cudaError_t cudaEventCreate(cudaEvent_t* event) {
  return cudaEventCreateWithFlags(event, cudaEventDefault);
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  if (event == nullptr) return keep(cudaErrorInvalidResourceHandle);
  if (event->ticket.stream != nullptr) run_all(event->ticket);  // which will write the time
  delete event;
  return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  const std::lock_guard lock(streams().mutex);
  const cudaError_t status = begin("cudaEventRecord", stream);
  if (status != cudaSuccess) return keep(status);
  CUstream_st* const s = stream_of(stream);
  if (s->capture != nullptr) return keep(cudaErrorStreamCaptureUnsupported);
  const Work note_time = [event] {
    event->time = std::chrono::steady_clock::now();
    return cudaSuccess;
  };
  push(s, note_time, before(s));
  event->ticket = all_of(s);
  if (!options().late) run(event->ticket);
  return cudaSuccess;
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  {
    const std::lock_guard lock(streams().mutex);
    const cudaError_t status = begin("cudaEventSynchronize", nullptr);
    if (status != cudaSuccess) return keep(status);
  }
  if (event->ticket.stream != nullptr) run_all(event->ticket);
  const std::lock_guard lock(streams().mutex);
  return told();
}

cudaError_t cudaEventQuery(cudaEvent_t event) {
  const std::lock_guard lock(streams().mutex);
  const cudaError_t status = begin("cudaEventQuery", nullptr);
  return status != cudaSuccess ? keep(status) : query(event->ticket);
}

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t from, cudaEvent_t to) {
  const std::lock_guard lock(streams().mutex);
  if (from->ticket.stream == nullptr || to->ticket.stream == nullptr)
    return keep(cudaErrorInvalidResourceHandle);
  for (const Ticket& t : {from->ticket, to->ticket}) {
    if (t.stream->done < t.count) return keep(cudaErrorNotReady);
  }
  *milliseconds = std::chrono::duration<float, std::milli>(to->time - from->time).count();
  return cudaSuccess;
}

// ---- Graphs: of the work of one stream ----

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode) {
  const std::lock_guard lock(streams().mutex);
  const cudaError_t status = begin("cudaStreamBeginCapture", stream);
  if (status != cudaSuccess) return keep(status);
  CUstream_st* const s = stream_of(stream);
  if (s == &streams().standard || s->capture != nullptr) return keep(cudaErrorStreamCaptureUnsupported);
  s->capture = new CUgraph_st{{}, mode == cudaStreamCaptureModeGlobal ? &streams().captures : &t_captures};
  ++*s->capture->captures;
  return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  const std::lock_guard lock(streams().mutex);
  *graph = nullptr;
  CUstream_st* const s = stream_of(stream);
  if (s->capture == nullptr) return keep(cudaErrorInvalidValue);
  *graph = std::exchange(s->capture, nullptr);
  --*(*graph)->captures;
  return keep(injected_error("cudaStreamEndCapture"));
}

cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* status) {
  const std::lock_guard lock(streams().mutex);
  *status =
      stream_of(stream)->capture != nullptr ? cudaStreamCaptureStatusActive : cudaStreamCaptureStatusNone;
  return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph, unsigned long long) {
  *executable = nullptr;
  const cudaError_t status = begin("cudaGraphInstantiate", nullptr);
  if (status == cudaSuccess) *executable = new CUgraphExec_st{graph->work};
  return keep(status);
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  return start("cudaGraphLaunch", stream, [work = executable->work] {
    for (const Work& w : work) {
      const cudaError_t status = w();
      if (status != cudaSuccess) return status;
    }
    return cudaSuccess;
  });
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  delete executable;
  return cudaSuccess;
}

}  // extern "C"
