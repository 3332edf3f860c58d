#include "training/sum_on_host_cuda.h"

#include <algorithm>
#include <span>

namespace sr::cuda {
namespace {

constexpr size_t kPiece = 1 << 16;  // numbers: other pieces are added while one is on its way

}  // namespace

void SumOnHost::sum(GradientBlock& block) {
  const int64_t bytes = 4 * block.count();
  const std::span<float> all(static_cast<float*>(pinned_.reserve(bytes)), static_cast<size_t>(block.count()));
  start_copy_to_host(all.data(), block.numbers(), bytes);
  synchronize();
  sum_.begin_node({});
  for (size_t begin = 0; begin < all.size(); begin += kPiece)
    sum_.give(all.subspan(begin, std::min(kPiece, all.size() - begin)));
  sum_.finish();
  start_copy_to_device(block.numbers(), all.data(), bytes);
}

}  // namespace sr::cuda
