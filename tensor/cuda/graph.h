// Work for a CUDA device that is recorded once and repeated with one call.
#pragma once

#include <functional>
#include <memory>

struct CUgraphExec_st;

namespace sr::cuda {

class DevicePool;

/// Repeats what `work` asks of the device: the same kernels and copies on the same memory. Work must not wait
/// for the device or read its numbers; tensors that it makes lie in memory that the graph keeps for itself,
/// so results must go to tensors made before. Weights that convolutions pack in it are packed anew each time,
/// unless KeepPacked had them.
class Graph {
 public:
  /// Runs `work` twice: once to be computed, and once to be recorded. Errors: those of work; device.
  explicit Graph(const std::function<void()>& work);
  ~Graph();
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;

  /// In the order of the calling thread's stream, which must be the one that recorded. Errors: device.
  void launch();

 private:
  std::shared_ptr<DevicePool> pool_;
  CUgraphExec_st* graph_ = nullptr;
};

}  // namespace sr::cuda
