// Convolutions that the kernels and the operations on Vars are held against: the shapes of the network, and
// odd ones: sizes below the kernel, remainders of every block size and around multiples of four, channels
// that fill no vector.
#pragma once

#include "tensor/conv2d/conv2d.h"

namespace sr {

struct Conv2dCase {
  const char* name;
  Shape x, weight;
  Conv2dOptions options;
};

inline const Conv2dCase kConv2dCases[] = {
    {"feature1", {2, 13, 17, 1}, {64, 3, 3, 1}, {.pad_begin = 1, .pad_end = 1, .leak = 0.05f}},
    {"feature2", {1, 5, 31, 64}, {64, 3, 3, 64}, {.pad_begin = 1, .pad_end = 1, .leak = 0.05f}},
    {"enhance 64 to 48", {1, 7, 12, 64}, {48, 3, 3, 64}, {.pad_begin = 1, .pad_end = 1, .leak = 0.05f}},
    {"48 to 32 in 4 groups",
     {1, 6, 29, 48},
     {32, 3, 3, 12},
     {.pad_begin = 1, .pad_end = 1, .groups = 4, .leak = 0.05f}},
    {"64 to 48 in 4 groups",
     {1, 6, 23, 64},
     {48, 3, 3, 16},
     {.pad_begin = 1, .pad_end = 1, .groups = 4, .leak = 0.05f}},
    {"48 to 80", {1, 5, 11, 48}, {80, 3, 3, 48}, {.pad_begin = 1, .pad_end = 1, .leak = 0.05f}},
    {"compression", {2, 5, 19, 80}, {64, 1, 1, 80}, {.leak = 0.05f}},
    {"one pixel", {1, 1, 1, 5}, {7, 3, 3, 5}, {.pad_begin = 1, .pad_end = 1}},
    {"one column", {1, 40, 1, 3}, {17, 3, 3, 3}, {.pad_begin = 1, .pad_end = 1, .leak = 0.3f}},
    {"4x4, 16 to 16", {1, 4, 4, 16}, {16, 3, 3, 16}, {.pad_begin = 1, .pad_end = 1}},
    {"3x5, 20 to 36", {2, 3, 5, 20}, {36, 3, 3, 20}, {.pad_begin = 1, .pad_end = 1, .leak = 0.1f}},
    {"8x9, 33 to 17", {1, 8, 9, 33}, {17, 3, 3, 33}, {.pad_begin = 1, .pad_end = 1, .leak = 0.05f}},
    {"12x7, 24 to 40 in 2 groups",
     {1, 12, 7, 24},
     {40, 3, 3, 12},
     {.pad_begin = 1, .pad_end = 1, .groups = 2, .leak = 0.05f}},
    {"13x15, 16 to 19 without padding", {1, 13, 15, 16}, {19, 3, 3, 16}, {}},
    {"10x6, 18 to 22, padding at the end", {1, 10, 6, 18}, {22, 3, 3, 18}, {.pad_end = 2, .leak = 0.05f}},
    {"large enough for threads everywhere", {1, 41, 37, 3}, {12, 1, 1, 3}, {.leak = 0.05f}},
    {"no activation below 0", {1, 5, 5, 3}, {4, 1, 1, 3}, {.leak = 0}},
    {"one channel a group", {2, 5, 6, 10}, {10, 3, 3, 1}, {.pad_begin = 1, .pad_end = 1, .groups = 10}},
    {"no padding", {1, 5, 60, 4}, {33, 3, 5, 4}, {}},
    {"padding beyond the kernel", {1, 4, 5, 9}, {6, 3, 3, 9}, {.pad_begin = 4, .pad_end = 3}},
    {"uneven padding", {1, 8, 9, 6}, {9, 4, 4, 6}, {.pad_begin = 2, .pad_end = 1}},
    {"stride 2", {1, 11, 27, 3}, {16, 3, 3, 3}, {.stride = 2, .pad_begin = 1, .pad_end = 1, .leak = 0.5f}},
    {"upsampler's gradient", {1, 12, 14, 1}, {64, 17, 17, 1}, {.stride = 2, .pad_begin = 7, .pad_end = 8}},
    {"5x7, 40 to 21", {2, 6, 5, 40}, {21, 5, 7, 40}, {.pad_begin = 3, .pad_end = 3}},
    {"five channels to the grid of 64",
     {1, 9, 12, 5},
     {70, 6, 5, 5},
     {.stride = 3, .pad_begin = 2, .pad_end = 3}},
    {"a column of taps", {1, 30, 9, 50}, {11, 3, 1, 50}, {}},
    {"100 outputs", {1, 4, 7, 3}, {100, 3, 3, 3}, {.pad_begin = 1, .pad_end = 1}},
};

}  // namespace sr
