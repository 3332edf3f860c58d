#include "tensor/cuda/graph.h"

#include <cuda_runtime_api.h>

#include "tensor/cuda/device.h"
#include "tensor/cuda/error.h"
#include "tensor/cuda/pool.h"

namespace sr::cuda {

Graph::Graph(const std::function<void()>& work) : pool_(std::make_shared<DevicePool>()) {
  const UsePool use(pool_);
  work();
  synchronize();  // what it copies from the host's memory may now be written anew
  cudaStream_t stream = queue().stream;
  gpu::check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "cuda: recording");
  cudaGraph_t recorded = nullptr;
  try {
    work();
  } catch (...) {
    if (cudaStreamEndCapture(stream, &recorded) == cudaSuccess && recorded) cudaGraphDestroy(recorded);
    cudaGetLastError();
    throw;
  }
  gpu::check(cudaStreamEndCapture(stream, &recorded), "cuda: recording");
  const cudaError_t status = cudaGraphInstantiate(&graph_, recorded, 0);
  cudaGraphDestroy(recorded);
  gpu::check(status, "cuda: recording");
}

Graph::~Graph() {
  cudaGraphExecDestroy(graph_);
}

void Graph::launch() {
  gpu::check(cudaGraphLaunch(graph_, queue().stream), "cuda: a recorded graph");
}

}  // namespace sr::cuda
