// Values computed independently in double precision with the authors' weights, from the data beside the
// project.
#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "idn/caffe_import.h"
#include "tests/support/reference.h"
#include "tests/support/shared_data.h"

namespace sr {

/// What a folder's index.json has under a name: a number, a list of numbers, a list of words.
std::vector<double> golden_numbers(const std::string& folder, const std::string& name);
std::vector<std::string> golden_words(const std::string& folder, const std::string& name);

class Golden : public testing::TestWithParam<int> {
 protected:
  static constexpr int64_t kImages = 2, kSize = 20;  // patches, and their sides in coarse pixels

  void SetUp() override {
    folder_ = shared_data("golden/idn_x" + std::to_string(factor_));
    const std::string weights =
        shared_data("reference/idn_caffe/IDN_x" + std::to_string(factor_) + ".caffemodel");
    if (folder_.empty() || weights.empty())
      GTEST_SKIP() << "golden values or the authors' weights are missing";
    model_.emplace(import_caffemodel(weights, factor_));
  }

  std::vector<float> read(const std::string& name, int64_t count) const {
    std::ifstream file(folder_ + '/' + name + ".f32", std::ios::binary);
    std::vector<float> values(static_cast<size_t>(count));
    file.read(reinterpret_cast<char*>(values.data()), count * 4);
    EXPECT_TRUE(file && file.peek() == EOF) << name << " has another size than " << count << " values";
    return values;
  }
  Tensor read(const std::string& name, const Shape& shape) const {
    return channels_last(read(name, shape.size()).data(), shape);
  }
  double read_number(const char* name) const { return golden_numbers(folder_, name).at(0); }

  /// A file in NCHW order; the weights' [o, c, kh, kw] is the same permutation.
  static Tensor channels_last(const float* values, const Shape& s) {
    Tensor t(s);
    for (int64_t n = 0; n < s.n; ++n)
      for (int64_t c = 0; c < s.c; ++c)
        for (int64_t p = 0; p < s.h * s.w; ++p)
          t.data()[(n * s.h * s.w + p) * s.c + c] = values[(n * s.c + c) * s.h * s.w + p];
    return t;
  }

  Tensor lr() const { return read("lr", {kImages, kSize, kSize, 1}); }
  Shape fine_shape() const { return {kImages, factor_ * kSize, factor_ * kSize, 1}; }
  /// The authors' output has no rows and columns before the first coarse pixel's own.
  Shape golden_shape() const { return {kImages, factor_ * (kSize - 1) + 1, factor_ * (kSize - 1) + 1, 1}; }

  /// Calls visit(index in the golden extent, index in the full grid) for every golden pixel.
  template <class Visit>
  void for_each_golden_pixel(Visit visit) const {
    const Shape g = golden_shape(), f = fine_shape();
    for (int64_t n = 0; n < g.n; ++n)
      for (int64_t i = 0; i < g.h; ++i)
        for (int64_t j = 0; j < g.w; ++j)
          visit(static_cast<size_t>((n * g.h + i) * g.w + j),
                static_cast<size_t>((n * f.h + i + factor_ - 1) * f.w + j + factor_ - 1));
  }

  int factor_ = GetParam();
  std::string folder_;
  std::optional<Model> model_;
};

inline auto golden_factors() {
  return testing::Values(2, 3, 4);
}
inline std::string golden_name(const testing::TestParamInfo<int>& factor) {
  return "x" + std::to_string(factor.param);
}

}  // namespace sr
