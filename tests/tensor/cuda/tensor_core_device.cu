// The tests' kernels for a GPU.
#include "tests/tensor/cuda/tensor_core_test.cpp"
