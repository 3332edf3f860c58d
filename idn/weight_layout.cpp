#include "idn/weight_layout.h"

#include <algorithm>
#include <cmath>

#include "tensor/error.h"

namespace sr {

NamedArray channels_first(const std::string& name, const Tensor& tensor) {
  const Shape& s = tensor.shape();
  const std::vector<float> values = tensor.to_vector();
  if (name.ends_with(".bias")) return {name, {s.c}, values};
  NamedArray array{name, {s.n, s.c, s.h, s.w}, std::vector<float>(values.size())};
  const int64_t taps = s.h * s.w;
  auto from = values.begin();
  for (int64_t n = 0; n < s.n; ++n)
    for (int64_t tap = 0; tap < taps; ++tap)
      for (int64_t c = 0; c < s.c; ++c)
        array.values[static_cast<size_t>((n * s.c + c) * taps + tap)] = *from++;
  return array;
}

Tensor channels_last(const NamedArray& array) {
  const std::vector<int64_t>& sides = array.shape;
  if ((sides.size() != 1 && sides.size() != 4) || std::ranges::count(sides, 0) > 0)
    throw Error(Error::Kind::format, "\"", array.name, "\" of shape ", text_of(sides),
                " is neither a convolution's weight nor its bias");
  if (sides.size() == 1) return Tensor::from({1, 1, 1, sides[0]}, array.values);
  Tensor tensor({sides[0], sides[2], sides[3], sides[1]});
  const Shape& s = tensor.shape();
  const int64_t taps = s.h * s.w;
  float* to = tensor.data();
  for (int64_t n = 0; n < s.n; ++n)
    for (int64_t tap = 0; tap < taps; ++tap)
      for (int64_t c = 0; c < s.c; ++c) *to++ = array.values[static_cast<size_t>((n * s.c + c) * taps + tap)];
  return tensor;
}

Parameter* parameter_of(Params& params, const Tensor& tensor) {
  for (Parameter& p : params.list())
    if (p.var.value().data() == tensor.data()) return &p;
  return nullptr;
}

WeightSource source_of(Params& params, const Tensor& weight) {
  if (Parameter* parameter = parameter_of(params, weight)) return {parameter, 1};
  const std::vector<float> values = weight.to_vector();
  for (Parameter& p : params.list()) {
    if (!(p.var.shape() == weight.shape())) continue;
    const std::vector<float> own = p.var.value().to_vector();
    const auto first = std::ranges::find_if(own, [](float v) { return v != 0; });
    if (first == own.end()) continue;
    const float scale = values[static_cast<size_t>(first - own.begin())] / *first;
    int exponent = 0;
    if (!(scale > 0) || std::frexp(scale, &exponent) != 0.5f) continue;
    if (std::ranges::equal(own, values, {}, [&](float v) { return v * scale; })) return {&p, scale};
  }
  return {};
}

}  // namespace sr
