#include "training/batch.h"

namespace sr {
namespace {

// Elements from one part to the next: each begins where kernels can read 16 bytes at once.
int64_t room(const Shape& shape) {
  constexpr int64_t kAligned = 64;
  return (shape.size() + kAligned - 1) / kAligned * kAligned;
}

}  // namespace

TrainingBatch::TrainingBatch(const Shape& down_shape, int64_t factor, Device device) {
  const Shape fine{down_shape.n, factor * down_shape.h, factor * down_shape.w, down_shape.c};
  all = Tensor({1, 1, 1, 2 * room(fine) + room(down_shape)}, DType::f32, device);
  set_parts(fine, down_shape);
}

void TrainingBatch::set_parts(const Shape& fine, const Shape& coarse) {
  gt = all.part(0, fine);
  base = all.part(room(fine), fine);
  down = all.part(2 * room(fine), coarse);
}

TrainingBatch TrainingBatch::images(int64_t begin, int64_t end) const {
  TrainingBatch some = *this;
  for (Tensor* part : {&some.gt, &some.base, &some.down}) {
    Shape shape = part->shape();
    const int64_t first = begin * shape.h * shape.w * shape.c;
    shape.n = end - begin;
    *part = part->part(first, shape);
  }
  return some;
}

TrainingBatch TrainingBatch::to(Device device) const {
  TrainingBatch copy;
  copy.all = all.to(device);
  copy.set_parts(gt.shape(), down.shape());
  return copy;
}

}  // namespace sr
