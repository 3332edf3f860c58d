// Kernels for ptxas_test.cmake: the first one is as it says, of the others none may pass.

namespace sr {

// ptxas: in_place registers<=16 shared<=128
__global__ void in_place(float* p) {
  __shared__ float s[32];
  s[threadIdx.x] = p[threadIdx.x];
  __syncthreads();
  p[threadIdx.x] = s[31 - threadIdx.x] + 1;
}

// ptxas: array_in_memory registers<=64
__global__ void array_in_memory(float* p, int i) {
  float values[16];
  for (int k = 0; k < 16; ++k) values[k] = p[k];
  for (int k = 0; k < 16; ++k) values[(k + i) % 16] += p[16 + k];  // an index that is known only when it runs
  for (int k = 0; k < 16; ++k) p[k] = values[k];
}

// ptxas: spilled registers<=64
__global__ void __launch_bounds__(1024, 2) spilled(float* p) {  // 32 registers for 64 values
  float values[64];
#pragma unroll
  for (int k = 0; k < 64; ++k) values[k] = p[threadIdx.x + 64 * k];
  __syncthreads();
#pragma unroll
  for (int k = 0; k < 64; ++k) p[threadIdx.x + 64 * k] = values[k] * values[63 - k];
}

// ptxas: too_many_registers registers<=8
__global__ void too_many_registers(const float* a, float* p) {
  float sum[8] = {};
  for (int k = 0; k < 8; ++k) sum[k] = a[k] * a[threadIdx.x + 8 * k];
  for (int k = 0; k < 8; ++k) p[threadIdx.x + 8 * k] = sum[k] * sum[(k + 1) % 8];
}

// ptxas: too_much_shared registers<=32 shared<=64
__global__ void too_much_shared(float* p) {
  __shared__ float s[32];
  s[threadIdx.x] = p[threadIdx.x];
  __syncthreads();
  p[threadIdx.x] = s[31 - threadIdx.x];
}

__global__ void nothing_said(float* p) {
  p[threadIdx.x] = 0;
}

// ptxas: no_such_kernel registers<=8

}  // namespace sr
