#include "bench/cuda/cudnn_legacy.h"

#include <memory>

#include "tensor/error.h"

namespace sr::bench {
namespace {

using cuda::ConvOp;

constexpr int kMostAlgorithms = 16;

// Descriptors of one problem.
struct Described {
  std::shared_ptr<cudnnTensorStruct> x, y;
  std::shared_ptr<cudnnFilterStruct> w;
  std::shared_ptr<cudnnConvolutionStruct> conv;

  explicit Described(const CudnnProblem& p) {
    x = tensor(p.type, p.n, p.c, p.h, p.w);
    y = tensor(p.type, p.n, p.o, p.oh, p.ow);
    cudnnFilterDescriptor_t filter = nullptr;
    check(cudnnCreateFilterDescriptor(&filter), "a filter descriptor");
    w = {filter, cudnnDestroyFilterDescriptor};
    check(cudnnSetFilter4dDescriptor(filter, p.type, CUDNN_TENSOR_NHWC, p.o, p.c / p.groups, p.kh, p.kw),
          "a filter");
    cudnnConvolutionDescriptor_t c = nullptr;
    check(cudnnCreateConvolutionDescriptor(&c), "a convolution descriptor");
    conv = {c, cudnnDestroyConvolutionDescriptor};
    check(cudnnSetConvolution2dDescriptor(c, p.pad, p.pad, p.stride, p.stride, 1, 1, CUDNN_CROSS_CORRELATION,
                                          CUDNN_DATA_FLOAT),
          "a convolution");
    check(cudnnSetConvolutionGroupCount(c, p.groups), "groups");
    set_math(p.tensor_cores ? CUDNN_TENSOR_OP_MATH : CUDNN_FMA_MATH);
  }
  void set_math(cudnnMathType_t math) const {
    check(cudnnSetConvolutionMathType(conv.get(), math), "the kind of products");
  }

 private:
  static std::shared_ptr<cudnnTensorStruct> tensor(cudnnDataType_t type, int n, int c, int h, int w) {
    cudnnTensorDescriptor_t t = nullptr;
    check(cudnnCreateTensorDescriptor(&t), "a tensor descriptor");
    std::shared_ptr<cudnnTensorStruct> result(t, cudnnDestroyTensorDescriptor);
    check(cudnnSetTensor4dDescriptorEx(t, type, n, c, h, w, h * w * c, 1, w * c, c), "a tensor");
    return result;
  }
};

// Candidates of the algorithms that were found to work; `run` gets (algorithm, workspace, its bytes).
template <class Perf, class Run>
std::vector<CudnnCandidate> candidates(const CudnnProblem& p, const Described& d, const Perf* perf, int count,
                                       Run run) {
  std::vector<CudnnCandidate> result;
  for (int i = 0; i < count; ++i) {
    const Perf found = perf[i];
    if (found.status != CUDNN_STATUS_SUCCESS || (!p.tensor_cores && found.mathType != CUDNN_FMA_MATH))
      continue;
    const std::string name = "legacy algorithm " + std::to_string(static_cast<int>(found.algo)) + " math " +
                             std::to_string(static_cast<int>(found.mathType));
    result.push_back({name, static_cast<int64_t>(found.memory), [=](void* workspace) {
                        d.set_math(found.mathType);
                        check(run(found.algo, workspace, found.memory), "a convolution");
                      }});
  }
  return result;
}

}  // namespace

std::vector<CudnnCandidate> legacy_candidates(const CudnnProblem& p, const CudnnOperands& operands,
                                              cudnnHandle_t handle, void* workspace,
                                              int64_t workspace_bytes) try {
  const Described d(p);
  const CudnnOperands at = operands;
  void* const to = p.has_epilogue() ? at.raw : at.result(p.op);
  const auto bytes = static_cast<size_t>(workspace_bytes);
  static constexpr float kOne = 1, kZero = 0;
  int count = 0;
  if (p.op == ConvOp::conv2d) {
    cudnnConvolutionFwdAlgoPerf_t perf[kMostAlgorithms];
    check(cudnnFindConvolutionForwardAlgorithmEx(handle, d.x.get(), at.x, d.w.get(), at.w, d.conv.get(),
                                                 d.y.get(), to, kMostAlgorithms, &count, perf, workspace,
                                                 bytes),
          "finding algorithms");
    return candidates(p, d, perf, count, [=](auto algorithm, void* space, size_t n) {
      return cudnnConvolutionForward(handle, &kOne, d.x.get(), at.x, d.w.get(), at.w, d.conv.get(), algorithm,
                                     space, n, &kZero, d.y.get(), to);
    });
  }
  if (p.op == ConvOp::grad_input) {
    cudnnConvolutionBwdDataAlgoPerf_t perf[kMostAlgorithms];
    check(cudnnFindConvolutionBackwardDataAlgorithmEx(handle, d.w.get(), at.w, d.y.get(), at.y, d.conv.get(),
                                                      d.x.get(), to, kMostAlgorithms, &count, perf, workspace,
                                                      bytes),
          "finding algorithms");
    return candidates(p, d, perf, count, [=](auto algorithm, void* space, size_t n) {
      return cudnnConvolutionBackwardData(handle, &kOne, d.w.get(), at.w, d.y.get(), at.y, d.conv.get(),
                                          algorithm, space, n, &kZero, d.x.get(), to);
    });
  }
  cudnnConvolutionBwdFilterAlgoPerf_t perf[kMostAlgorithms];
  check(cudnnFindConvolutionBackwardFilterAlgorithmEx(handle, d.x.get(), at.x, d.y.get(), at.y, d.conv.get(),
                                                      d.w.get(), to, kMostAlgorithms, &count, perf, workspace,
                                                      bytes),
        "finding algorithms");
  return candidates(p, d, perf, count, [=](auto algorithm, void* space, size_t n) {
    return cudnnConvolutionBackwardFilter(handle, &kOne, d.x.get(), at.x, d.y.get(), at.y, d.conv.get(),
                                          algorithm, space, n, &kZero, d.w.get(), to);
  });
} catch (const Error&) {
  return {};  // cuDNN has no such convolution in this API
}

}  // namespace sr::bench
