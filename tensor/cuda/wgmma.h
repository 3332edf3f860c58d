// The instructions of warpgroup matrix products, one function per width: what wgmma_ss() and wgmma_rs() of
// hopper.h are made of. nvcc only.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstdint>
#include <type_traits>

namespace sr::gpu::instruction {

// Inline assembly wants every register spelled out: as text, in which the accumulators d[0], d[1], ... are
// %0, %1, ... and the other operands follow, and as operands. TEN is d[0] to d[9], MORE(t) the ten from 10t
// on, Dn(i) n operands from d[i] on.
#define TEN "%0,%1,%2,%3,%4,%5,%6,%7,%8,%9"
#define MORE(t) ",%" #t "0,%" #t "1,%" #t "2,%" #t "3,%" #t "4,%" #t "5,%" #t "6,%" #t "7,%" #t "8,%" #t "9"
#define FIFTY TEN MORE(1) MORE(2) MORE(3) MORE(4)
#define HUNDRED FIFTY MORE(5) MORE(6) MORE(7) MORE(8) MORE(9)
#define D4(i) "+f"(d[i]), "+f"(d[(i) + 1]), "+f"(d[(i) + 2]), "+f"(d[(i) + 3])
#define D8(i) D4(i), D4((i) + 4)
#define D16(i) D8(i), D8((i) + 8)
#define D32(i) D16(i), D16((i) + 16)
#define D64(i) D32(i), D32((i) + 32)
#define LIST(...) __VA_ARGS__

// The predicate is "add to d", the two ones after it are the signs of a and b.
#define WGMMA(shape, text, operands, rest, ...)                                                            \
  asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, 1, 0;\nwgmma.mma_async.sync.aligned.m64n" shape " {" text \
               "}, " rest ";\n}\n"                                                                         \
               : operands                                                                                  \
               : __VA_ARGS__)

// A product of N columns; i0 to i5 are the numbers of the operands after d's.
#define SIZE(N, text, operands, i0, i1, i2, i3, i4, i5)                                                   \
  template <class T, bool TransA, bool TransB>                                                            \
  __device__ __forceinline__ void ss(float(&d)[N / 2], uint64_t a, uint64_t b) {                          \
    if constexpr (std::is_same_v<T, __half>) {                                                            \
      WGMMA(#N "k16.f32.f16.f16", text, LIST(operands), "%" #i0 ", %" #i1 ", p, 1, 1, %" #i2 ", %" #i3,   \
            "l"(a), "l"(b), "n"(TransA ? 1 : 0), "n"(TransB ? 1 : 0));                                    \
    } else if constexpr (std::is_same_v<T, __nv_bfloat16>) {                                              \
      WGMMA(#N "k16.f32.bf16.bf16", text, LIST(operands), "%" #i0 ", %" #i1 ", p, 1, 1, %" #i2 ", %" #i3, \
            "l"(a), "l"(b), "n"(TransA ? 1 : 0), "n"(TransB ? 1 : 0));                                    \
    } else {                                                                                              \
      WGMMA(#N "k8.f32.tf32.tf32", text, LIST(operands), "%" #i0 ", %" #i1 ", p, 1, 1", "l"(a), "l"(b));  \
    }                                                                                                     \
  }                                                                                                       \
  template <class T, bool TransB>                                                                         \
  __device__ __forceinline__ void rs(float(&d)[N / 2], const uint32_t(&a)[4], uint64_t b) {               \
    if constexpr (std::is_same_v<T, __half>) {                                                            \
      WGMMA(#N "k16.f32.f16.f16", text, LIST(operands),                                                   \
            "{%" #i0 ",%" #i1 ",%" #i2 ",%" #i3 "}, %" #i4 ", p, 1, 1, %" #i5, "r"(a[0]), "r"(a[1]),      \
            "r"(a[2]), "r"(a[3]), "l"(b), "n"(TransB ? 1 : 0));                                           \
    } else if constexpr (std::is_same_v<T, __nv_bfloat16>) {                                              \
      WGMMA(#N "k16.f32.bf16.bf16", text, LIST(operands),                                                 \
            "{%" #i0 ",%" #i1 ",%" #i2 ",%" #i3 "}, %" #i4 ", p, 1, 1, %" #i5, "r"(a[0]), "r"(a[1]),      \
            "r"(a[2]), "r"(a[3]), "l"(b), "n"(TransB ? 1 : 0));                                           \
    } else {                                                                                              \
      WGMMA(#N "k8.f32.tf32.tf32", text, LIST(operands),                                                  \
            "{%" #i0 ",%" #i1 ",%" #i2 ",%" #i3 "}, %" #i4 ", p, 1, 1", "r"(a[0]), "r"(a[1]), "r"(a[2]),  \
            "r"(a[3]), "l"(b));                                                                           \
    }                                                                                                     \
  }

// clang-format off
SIZE(8, "%0,%1,%2,%3", LIST(D4(0)), 4, 5, 6, 7, 8, 9)
SIZE(16, "%0,%1,%2,%3,%4,%5,%6,%7", LIST(D8(0)), 8, 9, 10, 11, 12, 13)
SIZE(24, TEN ",%10,%11", LIST(D8(0), D4(8)), 12, 13, 14, 15, 16, 17)
SIZE(32, TEN ",%10,%11,%12,%13,%14,%15", LIST(D16(0)), 16, 17, 18, 19, 20, 21)
SIZE(40, TEN MORE(1), LIST(D16(0), D4(16)), 20, 21, 22, 23, 24, 25)
SIZE(48, TEN MORE(1) ",%20,%21,%22,%23", LIST(D16(0), D8(16)), 24, 25, 26, 27, 28, 29)
SIZE(56, TEN MORE(1) ",%20,%21,%22,%23,%24,%25,%26,%27", LIST(D16(0), D8(16), D4(24)), 28, 29, 30, 31, 32, 33)
SIZE(64, TEN MORE(1) MORE(2) ",%30,%31", LIST(D32(0)), 32, 33, 34, 35, 36, 37)
SIZE(72, TEN MORE(1) MORE(2) ",%30,%31,%32,%33,%34,%35", LIST(D32(0), D4(32)), 36, 37, 38, 39, 40, 41)
SIZE(80, TEN MORE(1) MORE(2) MORE(3), LIST(D32(0), D8(32)), 40, 41, 42, 43, 44, 45)
SIZE(88, TEN MORE(1) MORE(2) MORE(3) ",%40,%41,%42,%43", LIST(D32(0), D8(32), D4(40)), 44, 45, 46, 47, 48, 49)
SIZE(96, TEN MORE(1) MORE(2) MORE(3) ",%40,%41,%42,%43,%44,%45,%46,%47", LIST(D32(0), D16(32)), 48, 49, 50, 51, 52, 53)
SIZE(104, FIFTY ",%50,%51", LIST(D32(0), D16(32), D4(48)), 52, 53, 54, 55, 56, 57)
SIZE(112, FIFTY ",%50,%51,%52,%53,%54,%55", LIST(D32(0), D16(32), D8(48)), 56, 57, 58, 59, 60, 61)
SIZE(120, FIFTY MORE(5), LIST(D32(0), D16(32), D8(48), D4(56)), 60, 61, 62, 63, 64, 65)
SIZE(128, FIFTY MORE(5) ",%60,%61,%62,%63", LIST(D64(0)), 64, 65, 66, 67, 68, 69)
SIZE(136, FIFTY MORE(5) ",%60,%61,%62,%63,%64,%65,%66,%67", LIST(D64(0), D4(64)), 68, 69, 70, 71, 72, 73)
SIZE(144, FIFTY MORE(5) MORE(6) ",%70,%71", LIST(D64(0), D8(64)), 72, 73, 74, 75, 76, 77)
SIZE(152, FIFTY MORE(5) MORE(6) ",%70,%71,%72,%73,%74,%75", LIST(D64(0), D8(64), D4(72)), 76, 77, 78, 79, 80, 81)
SIZE(160, FIFTY MORE(5) MORE(6) MORE(7), LIST(D64(0), D16(64)), 80, 81, 82, 83, 84, 85)
SIZE(168, FIFTY MORE(5) MORE(6) MORE(7) ",%80,%81,%82,%83", LIST(D64(0), D16(64), D4(80)), 84, 85, 86, 87, 88, 89)
SIZE(176, FIFTY MORE(5) MORE(6) MORE(7) ",%80,%81,%82,%83,%84,%85,%86,%87", LIST(D64(0), D16(64), D8(80)), 88, 89, 90, 91, 92, 93)
SIZE(184, FIFTY MORE(5) MORE(6) MORE(7) MORE(8) ",%90,%91", LIST(D64(0), D16(64), D8(80), D4(88)), 92, 93, 94, 95, 96, 97)
SIZE(192, FIFTY MORE(5) MORE(6) MORE(7) MORE(8) ",%90,%91,%92,%93,%94,%95", LIST(D64(0), D32(64)), 96, 97, 98, 99, 100, 101)
SIZE(200, HUNDRED, LIST(D64(0), D32(64), D4(96)), 100, 101, 102, 103, 104, 105)
SIZE(208, HUNDRED ",%100,%101,%102,%103", LIST(D64(0), D32(64), D8(96)), 104, 105, 106, 107, 108, 109)
SIZE(216, HUNDRED ",%100,%101,%102,%103,%104,%105,%106,%107", LIST(D64(0), D32(64), D8(96), D4(104)), 108, 109, 110, 111, 112, 113)
SIZE(224, HUNDRED MORE(10) ",%110,%111", LIST(D64(0), D32(64), D16(96)), 112, 113, 114, 115, 116, 117)
SIZE(232, HUNDRED MORE(10) ",%110,%111,%112,%113,%114,%115", LIST(D64(0), D32(64), D16(96), D4(112)), 116, 117, 118, 119, 120, 121)
SIZE(240, HUNDRED MORE(10) MORE(11), LIST(D64(0), D32(64), D16(96), D8(112)), 120, 121, 122, 123, 124, 125)
SIZE(248, HUNDRED MORE(10) MORE(11) ",%120,%121,%122,%123", LIST(D64(0), D32(64), D16(96), D8(112), D4(120)), 124, 125, 126, 127, 128, 129)
SIZE(256, HUNDRED MORE(10) MORE(11) ",%120,%121,%122,%123,%124,%125,%126,%127", LIST(D64(0), D64(64)), 128, 129, 130, 131, 132, 133)
// clang-format on

#undef SIZE
#undef WGMMA
#undef LIST
#undef D64
#undef D32
#undef D16
#undef D8
#undef D4
#undef HUNDRED
#undef FIFTY
#undef MORE
#undef TEN

}  // namespace sr::gpu::instruction
