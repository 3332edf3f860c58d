#include "tensor/bands/strips.h"

#include <algorithm>

namespace sr::bands {

Strips::Strips(const Program& program, const std::vector<PackedStage>& packed, const Kernels& kernels,
               int64_t width, const std::vector<int64_t>& phases, int64_t threads)
    : stages_(program.stages().size()) {
  // Two jobs of a kernel's columns keep 0.8 MB of rows in the second-level cache or near it; a quarter of a
  // job is the least that fills what kernels compute together.
  const int64_t unit = kernels.columns / 4, most = 2 * kernels.columns;
  for (int64_t size = (width + most - 1) / most;; ++size) {
    const int64_t columns = ((width + size - 1) / size + unit - 1) / unit * unit;
    cut(program, packed, kernels.align, width, phases, columns);
    if (at_once_ >= threads || columns == unit) break;
  }
}

void Strips::cut(const Program& program, const std::vector<PackedStage>& packed, int64_t align, int64_t width,
                 const std::vector<int64_t>& phases, int64_t columns) {
  ends_.clear(), last_before_.clear();
  for (int64_t column = columns; column < width; column += columns) {
    int64_t end = column, before = 0;
    for (size_t i = 0; i < stages_; ++i) {
      const Stage& stage = program.stages()[i];
      end -= std::max(stage.after + packed[i].beyond, before), before = stage.before;
      end -= ((end + phases[i]) % align + align) % align;
      ends_.push_back(std::max<int64_t>(0, end));
    }
  }
  ends_.insert(ends_.end(), stages_, width);

  // A strip's stages read from where the last one does.
  const int64_t last_reads = program.stages().back().before;
  at_once_ = size();
  for (int64_t strip = 0; strip < size(); ++strip) {
    int64_t last = strip;
    while (last + 1 < size() && end(last, stages_ - 1) - last_reads < end(strip, 0)) ++last;
    last_before_.push_back(last);
    at_once_ = std::min(at_once_, size() - (last - strip));
  }
}

bool BandSteps::go_to(int64_t number) {
  while (more_ && number_ < number) {
    before_ += static_cast<int64_t>(steps_.size()), ++number_;
    steps_.clear();
    const int64_t band = walk_.band();
    do steps_.push_back(walk_);
    while ((more_ = walk_.next()) && walk_.band() == band);
  }
  return number_ == number;
}

}  // namespace sr::bands
