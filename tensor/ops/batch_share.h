// What the losses share that are means over a batch, of which a tensor may be a part.
#pragma once

#include "tensor/error.h"
#include "tensor/image_tree.h"
#include "tensor/tensor.h"

namespace sr {

/// Of x, which lies on a GPU and is thus the whole batch. Errors: unsupported.
inline void check_whole(const char* what, const Tensor& x, int64_t batch) {
  if (batch != 0 && batch != x.shape().n)
    throw Error(Error::Kind::unsupported, what, ": ", x.shape().n, " images of a batch of ", batch,
                "; a GPU takes all of them");
}

/// What is counted in x (elements, pixels, windows) becomes that of the batch: `batch` images, 0: x's.
inline double count_in_batch(double count, const Tensor& x, int64_t batch) {
  return batch == 0 ? count : count / static_cast<double>(x.shape().n) * static_cast<double>(batch);
}

/// The share of x in the mean over `batch` images (0: x's) as a float32 [1, 1, 1, 1]: `mean` of each leaf's
/// images, in double, times their share, added by the tree.
template <class Mean>
Tensor share_of_mean(const Tensor& x, const Tensor& target, int64_t batch, const Mean& mean) {
  const Tensor all = x.is_contiguous() ? x : x.clone(),
               wanted = target.is_contiguous() ? target : target.clone();
  const auto images = static_cast<double>(batch == 0 ? x.shape().n : batch);
  TreeSum<float> sum;
  for_each_leaf(x.shape().n, [&](int64_t begin, int64_t end) {
    Shape leaf = x.shape();
    leaf.n = end - begin;
    const int64_t first = begin * leaf.h * leaf.w * leaf.c;
    const double share = static_cast<double>(leaf.n) / images;
    sum.add(static_cast<float>(share * mean(all.part(first, leaf), wanted.part(first, leaf))));
  });
  const float total = sum.total();
  return Tensor::from({1, 1, 1, 1}, {&total, 1});
}

}  // namespace sr
