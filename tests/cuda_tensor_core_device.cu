// The tests' kernels for a GPU.
#include "tests/cuda_tensor_core_test.cpp"
