// The tests' kernels for a GPU.
#include "tests/cuda_hopper_sm90_test.cpp"
