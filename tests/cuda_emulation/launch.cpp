// From a launch to blocks on threads of the system.
#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "tests/cuda_emulation/block.h"
#include "tests/cuda_emulation/device.h"
#include "tests/cuda_emulation/memory.h"
#include "tests/cuda_emulation/runtime/runtime.h"

namespace sr::emulation {

namespace {

constexpr size_t kMaxErrors = 100;

// What launches leave behind.
struct Findings {
  std::mutex mutex;
  std::vector<std::string> errors;
  std::set<std::string> known;  // without the place: one message for what a thousand threads do
  size_t count = 0;
  Statistics statistics;
};
Findings& findings() {
  static Findings& all = *new Findings;
  return all;
}

std::string text_of(uint3 i) {
  return std::to_string(i.x) + "," + std::to_string(i.y) + "," + std::to_string(i.z);
}

void add(Statistics& sum, const Statistics& s) {
  sum.mma += s.mma;
  sum.wgmma += s.wgmma;
  sum.ldmatrix += s.ldmatrix;
  sum.ldmatrix_conflicts += s.ldmatrix_conflicts;
  sum.switches += s.switches;
  sum.barriers += s.barriers;
}

int worker_count(uint64_t blocks) {
  if (finds_races()) return 1;  // what is remembered of accesses is not locked
  const int wanted =
      options().workers > 0 ? options().workers : static_cast<int>(std::thread::hardware_concurrency());
  return static_cast<int>(std::min<uint64_t>(static_cast<uint64_t>(std::max(wanted, 1)), blocks));
}

void run_grid(const Launch& launch) {
  static std::vector<std::unique_ptr<Block>>& workers = *new std::vector<std::unique_ptr<Block>>;
  const uint64_t blocks = uint64_t{launch.grid.x} * launch.grid.y * launch.grid.z;
  const int count = worker_count(blocks);
  while (static_cast<int>(workers.size()) < count) workers.push_back(std::make_unique<Block>());
  std::atomic<uint64_t> next{0};
  const auto work = [&](int w) {
    Block& block = *workers[static_cast<size_t>(w)];
    for (uint64_t i = next++; i < blocks; i = next++) {
      block.run(launch, options().schedule == Schedule::reverse ? blocks - 1 - i : i);
    }
    const std::lock_guard lock(findings().mutex);
    add(findings().statistics, block.statistics);
    block.statistics = Statistics();
  };
  std::vector<std::thread> others;
  for (int w = 1; w < count; ++w) others.emplace_back(work, w);
  work(0);
  for (std::thread& t : others) t.join();
}

cudaError_t run_and_judge(Launch launch, cudaStream_t stream, bool early,
                          const std::function<void()>& kernel) {
  static uint32_t launches = 0;
  // The first launch that may still run when the stream's next kernel begins early.
  static std::map<cudaStream_t, uint32_t>& running = *new std::map<cudaStream_t, uint32_t>;
  std::atomic<bool> lets_go{false};
  launch.number = ++launches;
  launch.beside = early ? running[stream] : 0;
  launch.lets_go = &lets_go;
  launch.kernel = &kernel;
  size_t before;
  {
    const std::lock_guard lock(findings().mutex);
    before = findings().count;
    findings().known.clear();
    ++findings().statistics.launches;
  }
  run_grid(launch);
  running[stream] = lets_go ? launch.beside : launch.number;
  const std::lock_guard lock(findings().mutex);
  return findings().count == before ? cudaSuccess : cudaErrorLaunchFailure;
}

}  // namespace

Options& options() {
  static Options the_options = [] {
    Options o;
    const char* const gpus = std::getenv("SR_EMULATED_GPUS");
    o.devices = gpus ? std::atoi(gpus) : 0;
    const char* const capability = std::getenv("SR_EMULATED_CAPABILITY");
    if (capability) o.capabilities = {std::atoi(capability)};
    return o;
  }();
  return the_options;
}

std::vector<std::string> take_errors() {
  const std::lock_guard lock(findings().mutex);
  return std::exchange(findings().errors, {});
}

std::string first_error() {
  const std::lock_guard lock(findings().mutex);
  return findings().errors.empty() ? "" : findings().errors.front();
}

Statistics take_statistics() {
  const std::lock_guard lock(findings().mutex);
  return std::exchange(findings().statistics, {});
}

void report(const std::string& what) {
  const std::lock_guard lock(findings().mutex);
  ++findings().count;
  if (findings().errors.size() >= kMaxErrors || !findings().known.insert(what).second) return;
  findings().errors.push_back(what + " [block " + text_of(::blockIdx) + " thread " + text_of(::threadIdx) +
                              "]");
}

cudaError_t launch_grid(dim3 grid, dim3 block, size_t shared_bytes, cudaStream_t stream, bool early,
                        std::function<void()> kernel) {
  const uint64_t threads = uint64_t{block.x} * block.y * block.z;
  if (threads == 0 || threads > 1024 || block.z > 64 || grid.x == 0 || grid.y == 0 || grid.z == 0 ||
      grid.x > 0x7fffffff || grid.y > 65535 || grid.z > 65535) {
    return cudaErrorInvalidConfiguration;
  }
  if (shared_bytes > options().shared_memory_limit) return cudaErrorInvalidValue;
  const Launch launch{0, 0, nullptr, grid, block, shared_bytes, nullptr};
  return start("cudaLaunchKernel", stream,
               [=, kernel = std::move(kernel)] { return run_and_judge(launch, stream, early, kernel); });
}

}  // namespace sr::emulation
