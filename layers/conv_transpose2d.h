// Transposed convolution that enlarges by its stride.
#pragma once

#include <cmath>

#include "autograd/functions.h"
#include "autograd/params.h"
#include "layers/reach.h"
#include "tensor/bands/program.h"

namespace sr {

/// [n, h, w, in] -> [n, factor*h, factor*w, out]: tap k of coarse pixel i lands on fine pixel
/// factor*i + k - crop_begin.
struct ConvTranspose2d {
  Var weight;             ///< [in, kernel, kernel, out]
  Var bias;               ///< [1, 1, 1, out]
  Conv2dOptions options;  ///< the factor as stride, what is cropped as padding

  /// He-normal weights for the inputs that one fine pixel has, zero bias; both at a tenth of the rate.
  ConvTranspose2d(const ParamScope& p, int64_t in, int64_t out, int kernel, int factor, int crop_begin)
      : weight(p.create("weight", {in, kernel, kernel, out},
                        std::sqrt(2.0 * factor * factor / static_cast<double>(kernel * kernel * in)), 0.1f)),
        bias(p.create_bias("bias", out)),
        options{.stride = factor, .pad_begin = crop_begin, .pad_end = kernel - factor - crop_begin} {}

  /// The fine image.
  Var operator()(const Var& x) const {
    return conv_transpose2d(x, weight, bias, x.shape().h * options.stride, x.shape().w * options.stride,
                            options);
  }

  /// The layer as the last stage of what runs band by band.
  void stage(bands::Program& program, const bands::Rows& x) const {
    program.upsampling(x, weight.value(), bias.value(), options.stride, options.pad_begin);
  }

  /// In coarse pixels.
  Reach reach() const {
    const TransposedTaps taps = transposed_taps(weight.shape().h, options.stride, options.pad_begin);
    return {taps.before, taps.after};
  }
};

}  // namespace sr
