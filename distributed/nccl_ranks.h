// The processes that train together, where each has a GPU of its own and they talk by NCCL.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "distributed/nccl.h"
#include "distributed/ranks.h"

namespace sr {

/// What a process brings along.
struct NcclOffer {
  int version = 0;        ///< of its NCCL; 0: it has none
  std::string missing;    ///< why
  std::string host, gpu;  ///< which GPU it is on that host
};

/// Why processes with these cannot talk by NCCL; "" if they can. NCCL itself refuses two on one GPU.
std::string why_not_nccl(const std::vector<NcclOffer>& all);

/// The same of these processes, told to all; `gpu` is this one's. Errors: those of Ranks; usage (as
/// nccl::library()).
std::string why_not_nccl(Ranks& ranks, const std::string& gpu);

/// Messages between the processes' GPUs. Errors of all functions: those of Ranks; device (NCCL's). After an
/// error nothing is on its way any more, and others must be told (Ranks::fail()): theirs would wait.
class NcclRanks {
 public:
  /// All make it at the same time, each with its GPU as the thread's, where why_not_nccl() gave "".
  explicit NcclRanks(Ranks& ranks);
  /// Waits for the others; but while an error passes, gives up.
  ~NcclRanks();
  NcclRanks(const NcclRanks&) = delete;
  NcclRanks& operator=(const NcclRanks&) = delete;

  Ranks& ranks() { return ranks_; }

  struct Transfer {
    enum class Kind { send, receive } kind;
    int64_t rank;  ///< of the other
    float* numbers;
    int64_t count;
  };
  /// Queues these behind what the stream has; they go at the same time. All of it must be at the other's end,
  /// too, in the same order between each two. Returns before they are done.
  void start(std::span<const Transfer> transfers, CUstream_st* stream);

  /// Until it says true, of what the GPU has come to.
  void wait_until(const std::function<bool()>& ready);
  /// What is under way ends at once, with any numbers.
  void give_up();

 private:
  void check(nccl::Result result);
  nccl::Result state();
  void settle();

  Ranks& ranks_;
  const nccl::Library& nccl_;
  nccl::Comm* comm_ = nullptr;
};

}  // namespace sr
