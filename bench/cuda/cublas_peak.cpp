#include "bench/cuda/cublas_peak.h"

#include <cublas_v2.h>

#include <memory>

#include "tensor/cuda/error.h"
#include "tensor/error.h"
#include "tensor/random.h"
#include "tensor/tensor.h"

namespace sr::bench {
namespace {

using cuda::Precision;

constexpr int kSide = 8192;

void check(cublasStatus_t status) {
  if (status != CUBLAS_STATUS_SUCCESS)
    throw Error(Error::Kind::device, "cuBLAS: a matrix product: ", cublasGetStatusString(status));
}

Tensor random_matrix(DType type, uint64_t seed) {
  // A few rows again and again: drawing all of them would take seconds.
  constexpr int64_t kRows = 64;
  Random random{seed};
  const Tensor rows = convert(random_normal({1, 1, kRows, kSide}, 1, random).to(Device::cuda), type);
  Tensor all(Shape{1, 1, kSide, kSide}, type, Device::cuda);
  const auto bytes = static_cast<size_t>(kRows * kSide * bytes_of(type));
  for (int64_t r = 0; r < kSide / kRows; ++r)
    gpu::check(cudaMemcpyAsync(static_cast<char*>(all.address()) + static_cast<size_t>(r) * bytes,
                               rows.address(), bytes, cudaMemcpyDeviceToDevice, cuda::queue().stream),
               "a random matrix");
  return all;
}

}  // namespace

double cublas_peak(Precision precision, cudaStream_t stream, const CudaTimer& timer) {
  cublasHandle_t created = nullptr;
  check(cublasCreate(&created));
  const std::unique_ptr<cublasContext, cublasStatus_t (*)(cublasHandle_t)> handle(created, cublasDestroy);
  check(cublasSetStream(handle.get(), stream));
  const DType type = cuda::storage(precision);
  const cudaDataType operand = type == DType::bf16  ? CUDA_R_16BF
                               : type == DType::f16 ? CUDA_R_16F
                                                    : CUDA_R_32F;
  const cublasComputeType_t compute =
      precision == Precision::tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
  const Tensor a = random_matrix(type, 1), b = random_matrix(type, 2);
  Tensor c(Shape{1, 1, kSide, kSide}, type, Device::cuda);
  const float one = 1, zero = 0;
  const Timing t = timer.warm(
      [&] {
        check(cublasGemmEx(handle.get(), CUBLAS_OP_T, CUBLAS_OP_N, kSide, kSide, kSide, &one, a.address(),
                           operand, kSide, b.address(), operand, kSide, &zero, c.address(), operand, kSide,
                           compute, CUBLAS_GEMM_DEFAULT));
      },
      0.1);
  return 2.0 * kSide * kSide * kSide / (t.ms * 1e-3) * 1e-12;
}

}  // namespace sr::bench
