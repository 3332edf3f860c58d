// The tests' kernels for a GPU.
#include "tests/tensor/cuda/sm90/hopper_test.cpp"
