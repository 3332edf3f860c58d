// Computations that end because the program is to stop.
#include "tensor/stop.h"

#include <gtest/gtest.h>

#include <functional>
#include <vector>

#include "tensor/conv2d/conv2d.h"
#include "tensor/ops/resize.h"
#include "tests/support/expect_error.h"

namespace sr {
namespace {

class Stop : public testing::Test {
 protected:
  Stop() { stop_when(&flag_); }
  ~Stop() override { stop_when(nullptr); }

  volatile std::sig_atomic_t flag_ = 0;
  Tensor image_ = Tensor::zeros({1, 40, 40, 8}), weight_ = Tensor::zeros({8, 3, 3, 8});
};

TEST_F(Stop, NothingEndsBeforeTheFlagIsSet) {
  EXPECT_NO_THROW(conv2d(image_, weight_, {}, {.pad_begin = 1, .pad_end = 1}));
  EXPECT_NO_THROW(bicubic_enlarge(image_, 2));
}

TEST_F(Stop, EndsConvolutionsTheirGradientsAndEnlargements) {
  flag_ = 1;
  const auto kind = Error::Kind::stopped;
  const Conv2dOptions same{.pad_begin = 1, .pad_end = 1};
  const std::vector<std::function<void()>> computations{
      [&] { conv2d(image_, weight_, {}, same); },
      [&] { conv2d_grad_input(image_, weight_, image_.shape(), same); },
      [&] { conv_transpose2d(image_, weight_, {}, 80, 80, {.stride = 2, .pad_begin = 1}); },
      [&] { bicubic_enlarge(image_, 2); }};
  for (const auto& computation : computations) expect_error(kind, "interrupted", computation);
}

TEST_F(Stop, IsForTheProgramThatAskedForIt) {
  flag_ = 1;
  stop_when(nullptr);
  EXPECT_NO_THROW(conv2d(image_, weight_, {}, {}));
}

}  // namespace
}  // namespace sr
