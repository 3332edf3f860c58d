// NCCL for emulated GPUs: communicators that do not block, and groups of messages from one to one.
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "distributed/nccl.h"
#include "tests/cuda_emulation/memory.h"
#include "tests/cuda_emulation/runtime/runtime.h"

namespace {

namespace fs = std::filesystem;
using namespace sr::nccl;
using Clock = std::chrono::steady_clock;

constexpr Result kCudaError = 1, kSystemError = 2, kInvalidArgument = 4, kInvalidUsage = 5, kRemoteError = 6;

struct Transfer {
  bool sends;
  void* data;
  size_t bytes;
  fs::path file;
};

// What outlives the communicator: the stream's work uses it.
struct State {
  fs::path folder;
  int rank = 0, size = 0;
  std::atomic<Result> result = kGoesOn;
  std::atomic<const char*> why = "";
  std::atomic<bool> given_up = false;
  std::atomic<int> under_way = 0;  // groups

  Result fail(Result with, const char* text) {
    why = text;
    return result = with;
  }
  // Unless it has failed.
  Result go(Result from, Result to) {
    result.compare_exchange_strong(from, to);
    return result;
  }
};

// Appears under its name when it is complete.
void write_file(const fs::path& path, const void* data, size_t bytes) {
  const fs::path part = path.string() + ".part";
  std::ofstream(part, std::ios::binary).write(static_cast<const char*>(data), std::streamsize(bytes));
  std::error_code gone;  // the folder, when another has given up
  fs::rename(part, path, gone);
}

std::string environment(const char* variable) {
  const char* const text = std::getenv(variable);
  return text ? text : "";
}

// Seconds until nobody is thought to send what is waited for.
double patience() {
  const std::string asked = environment("SR_EMULATED_NCCL_PATIENCE");
  return asked.empty() ? 60 : std::stod(asked);
}

std::string text_of(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace

namespace sr::nccl {

struct Comm {
  std::shared_ptr<State> state = std::make_shared<State>();
  bool joined = false;
  int groups = 0;
  std::vector<int64_t> sent, received;  // to and from each other one
  std::vector<Transfer> group;          // not given to the stream yet
  CUstream_st* stream = nullptr;
  bool asked = false;  // how far the group is

  Result join();
  Result enqueue();
};

// All have come, each with a device of its own.
Result Comm::join() {
  std::vector<std::string> devices;
  for (int rank = 0; rank < state->size; ++rank) {
    const fs::path file = state->folder / ("device-" + std::to_string(rank));
    if (!fs::exists(file)) return kGoesOn;
    devices.push_back(text_of(file));
  }
  joined = true;
  for (size_t i = 0; i < devices.size(); ++i)
    for (size_t k = 0; k < i; ++k)
      if (devices[i] == devices[k]) return state->fail(kInvalidUsage, "duplicate GPU");
  return state->go(kGoesOn, kDone);
}

// As the device does it: a send's numbers are those that are there when it comes to the group.
Result Comm::enqueue() {
  const auto work = [s = state, group = std::exchange(group, {}), began = Clock::time_point{}]() mutable {
    if (s->given_up) return --s->under_way, cudaSuccess;
    if (s->result != kDone && s->result != kGoesOn) return cudaErrorNotReady;  // hangs
    if (began == Clock::time_point{}) {
      began = Clock::now();
      for (const Transfer& t : group)
        if (t.sends) write_file(t.file, t.data, t.bytes);
    }
    for (const Transfer& t : group) {
      if (t.sends || fs::exists(t.file)) continue;
      if (std::chrono::duration<double>(Clock::now() - began).count() > patience())
        s->fail(kRemoteError, "nobody sends what is to be received");
      return cudaErrorNotReady;
    }
    for (const Transfer& t : group) {
      if (t.sends) continue;
      const std::string bytes = text_of(t.file);
      fs::remove(t.file);
      if (bytes.size() != t.bytes) return s->fail(kInvalidArgument, "counts differ"), cudaErrorNotReady;
      std::memcpy(t.data, bytes.data(), t.bytes);
    }
    return --s->under_way, cudaSuccess;
  };
  ++state->under_way;
  state->go(kGoesOn, kDone);
  const bool started = sr::emulation::start("ncclGroupEnd", stream, work) == cudaSuccess;
  return started ? kDone : state->fail(kCudaError, "the stream");
}

}  // namespace sr::nccl

namespace {

thread_local int t_groups = 0;
thread_local Comm* t_comm = nullptr;  // of the group

Result transfer(Comm* comm, bool sends, void* data, size_t count, DataType type, int peer,
                CUstream_st* stream) {
  State& s = *comm->state;
  if (s.result != kDone || !comm->group.empty()) {
    if (t_comm != comm) return s.fail(kInvalidUsage, "the call before it is not done");
  }
  if (t_groups == 0) return s.fail(kInvalidUsage, "not in a group");
  if (type != kFloat32 || count == 0 || peer < 0 || peer >= s.size)
    return s.fail(kInvalidArgument, "numbers of another type, none, or of a rank that is not there");
  const size_t bytes = count * sizeof(float);
  const sr::emulation::Place place = sr::emulation::place_of(data);
  if (place.whose != sr::emulation::Place::device || place.bytes_left < bytes)
    return s.fail(kInvalidArgument, "not the device's memory");
  const auto p = static_cast<size_t>(peer);
  const int from = sends ? s.rank : peer, to = sends ? peer : s.rank;
  const int64_t place_in_order = sends ? comm->sent[p]++ : comm->received[p]++;
  comm->group.push_back({sends, data, bytes,
                         s.folder / (std::to_string(from) + "-to-" + std::to_string(to) + "-" +
                                     std::to_string(place_in_order))});
  comm->stream = stream;
  t_comm = comm;
  return kDone;
}

// The last one to leave removes the folder.
void leave(const State& s) {
  write_file(s.folder / ("gone-" + std::to_string(s.rank)), "", 0);
  for (int rank = 0; rank < s.size; ++rank)
    if (!fs::exists(s.folder / ("gone-" + std::to_string(rank)))) return;
  std::error_code another_did;
  fs::remove_all(s.folder, another_did);
}

}  // namespace

extern "C" {

Result ncclGetVersion(int* version) {
  const std::string asked = environment("SR_EMULATED_NCCL_VERSION");
  *version = asked.empty() ? 22809 : std::stoi(asked);
  return kDone;
}

const char* ncclGetErrorString(Result result) {
  constexpr const char* kTexts[] = {
      "no error",         "unhandled cuda error", "unhandled system error", "internal error",
      "invalid argument", "invalid usage",        "remote process exited",  "in progress"};
  return kTexts[result];
}

const char* ncclGetLastError(Comm* comm) {
  return comm ? comm->state->why.load() : "";
}

Result ncclGetUniqueId(UniqueId* id) {
  const std::string asked = environment("SR_EMULATED_NCCL_FOLDER");
  std::string folder =
      ((asked.empty() ? fs::temp_directory_path() : fs::path(asked)) / "nccl_XXXXXX").string();
  if (folder.size() >= sizeof id->bytes || !mkdtemp(folder.data())) return kSystemError;
  std::strcpy(id->bytes, folder.c_str());
  return kDone;
}

Result ncclCommInitRankConfig(Comm** made, int size, UniqueId id, int rank, Config* config) {
  *made = nullptr;
  if (config->magic != 0xcafebeef || config->version < 21400 || config->size < sizeof(Config) ||
      config->blocking != 0 || rank < 0 || rank >= size)
    return kInvalidArgument;
  int device = 0;
  if (cudaGetDevice(&device) != cudaSuccess) return kCudaError;
  Comm* const comm = *made = new Comm;
  State& s = *comm->state;
  s.folder = id.bytes, s.rank = rank, s.size = size;
  comm->sent.resize(static_cast<size_t>(size)), comm->received.resize(static_cast<size_t>(size));
  const std::string text = std::to_string(device);
  write_file(s.folder / ("device-" + std::to_string(rank)), text.data(), text.size());
  return kGoesOn;
}

// What goes on does so when it is asked about.
Result ncclCommGetAsyncError(Comm* comm, Result* result) {
  if (!comm->joined)
    comm->join();
  else if (!comm->group.empty() && comm->state->result == kGoesOn && std::exchange(comm->asked, true))
    comm->enqueue();
  *result = comm->state->result;
  return kDone;
}

Result ncclCommAbort(Comm* comm) {
  comm->state->given_up = true;
  leave(*comm->state);
  delete comm;
  return kDone;
}

// Messages that nobody received are the caller's mistake.
Result ncclCommDestroy(Comm* comm) {
  const State& s = *comm->state;
  const std::string mine = "-to-" + std::to_string(s.rank) + "-";
  bool left = s.under_way > 0;
  for (const auto& entry : fs::directory_iterator(s.folder))
    left = left || entry.path().filename().string().find(mine) != std::string::npos;
  if (left) {
    std::fprintf(stderr, "emulated NCCL: rank %d leaves before all its messages are received\n", s.rank);
    std::abort();
  }
  leave(s);
  delete comm;
  return kDone;
}

Result ncclGroupStart() {
  ++t_groups;
  return kDone;
}

Result ncclGroupEnd() {
  if (t_groups == 0) return kInvalidUsage;
  if (--t_groups > 0 || !t_comm) return kDone;
  Comm* const comm = std::exchange(t_comm, nullptr);
  State& s = *comm->state;
  if (s.result != kDone) return s.result;
  const std::string failing = environment("SR_EMULATED_NCCL_FAIL");  // "1:3": rank 1 in its third group
  if (failing == std::to_string(s.rank) + ":" + std::to_string(++comm->groups)) {
    comm->group.clear();
    s.fail(kSystemError, "as the test wants it");
    return kGoesOn;
  }
  comm->asked = false;
  return s.go(kDone, kGoesOn);
}

Result ncclSend(const void* data, size_t count, DataType type, int to, Comm* comm, CUstream_st* stream) {
  return transfer(comm, true, const_cast<void*>(data), count, type, to, stream);
}

Result ncclRecv(void* data, size_t count, DataType type, int from, Comm* comm, CUstream_st* stream) {
  return transfer(comm, false, data, count, type, from, stream);
}

}  // extern "C"
