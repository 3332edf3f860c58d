#include "tensor/conv2d/cuda/problem.h"

namespace sr::cuda {

int taps_before(int64_t kernel, int64_t stride, int64_t pad) {
  const int64_t a = kernel - stride - pad;
  return static_cast<int>(a >= 0 ? (a + stride - 1) / stride : -(-a / stride));
}

ConvRun conv_run(ConvOp op, const ConvDims& d) {
  const auto i = [](int64_t v) { return static_cast<int>(v); };
  if (op != ConvOp::grad_input) {
    return {i(d.n),      i(d.h),     i(d.w),     i(d.c),      i(d.oh),   i(d.ow),   i(d.o), i(d.kh), i(d.kw),
            i(d.stride), i(d.pad_h), i(d.pad_w), i(d.groups), d.x_pitch, d.y_pitch, 1,      i(d.oh), i(d.ow)};
  }
  if (d.stride == 1) {
    return {i(d.n),
            i(d.oh),
            i(d.ow),
            i(d.o),
            i(d.h),
            i(d.w),
            i(d.c),
            i(d.kh),
            i(d.kw),
            1,
            i(d.kh - 1 - d.pad_h),
            i(d.kw - 1 - d.pad_w),
            i(d.groups),
            d.y_pitch,
            d.x_pitch,
            1,
            i(d.h),
            i(d.w)};
  }
  const int64_t s = d.stride;
  const int before_h = taps_before(d.kh, s, d.pad_h), before_w = taps_before(d.kw, s, d.pad_w);
  // From the first coarse pixel that the first phase takes to the last that the last phase takes.
  const int64_t after_h = (s - 1 + d.pad_h) / s, after_w = (s - 1 + d.pad_w) / s;
  return {i(d.n),
          i(d.oh),
          i(d.ow),
          i(d.o),
          i((d.h + s - 1) / s),
          i((d.w + s - 1) / s),
          i(s * s * d.c),
          before_h + 1 + i(after_h),
          before_w + 1 + i(after_w),
          1,
          before_h,
          before_w,
          1,
          d.y_pitch,
          d.x_pitch,
          i(s),
          i(d.h),
          i(d.w)};
}

}  // namespace sr::cuda
