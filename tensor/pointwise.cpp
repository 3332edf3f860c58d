#include "tensor/pointwise.h"

#include <algorithm>

#include "tensor/pairs.h"

namespace sr {

Tensor add(const Tensor& a, const Tensor& b) {
  check_same_shape("add", a, b);
  return map_pairs(a, b, [](float x, float y) { return x + y; });
}

Tensor scale(const Tensor& x, float factor) {
  return map_pairs(x, x, [factor](float a, float) { return factor * a; });
}

Tensor leaky_relu_grad(const Tensor& dy, const Tensor& y, float leak) {
  check_same_shape("leaky_relu_grad", dy, y);
  return map_pairs(dy, y, [leak](float d, float value) { return value > 0 ? d : leak * d; });
}

Tensor concat_channels(const std::vector<Tensor>& parts) {
  if (parts.empty()) throw Error(Error::Kind::shape, "concat_channels: no tensors");
  Shape shape = parts[0].shape();
  shape.c = 0;
  for (const Tensor& part : parts) {
    Shape same = part.shape();
    same.c = parts[0].shape().c;
    if (!(same == parts[0].shape()))
      throw Error(Error::Kind::shape, "concat_channels: shapes ", parts[0].shape(), " and ", part.shape(),
                  " differ in more than channels");
    shape.c += part.shape().c;
  }
  Tensor y(shape);
  int64_t begin = 0;
  for (const Tensor& part : parts) {
    for (int64_t p = 0; p < shape.pixels(); ++p)
      std::copy_n(part.data() + p * part.pitch(), part.shape().c, y.data() + p * shape.c + begin);
    begin += part.shape().c;
  }
  return y;
}

Tensor channels_grad(const Tensor& dy, int64_t begin, int64_t c) {
  Shape shape = dy.shape();
  if (begin < 0 || begin + shape.c > c)
    throw Error(Error::Kind::shape, "channels_grad: ", shape.c, " channels from ", begin, " do not fit in ",
                c);
  shape.c = c;
  Tensor dx = Tensor::zeros(shape);
  for (int64_t p = 0; p < shape.pixels(); ++p)
    std::copy_n(dy.data() + p * dy.pitch(), dy.shape().c, dx.data() + p * c + begin);
  return dx;
}

}  // namespace sr
