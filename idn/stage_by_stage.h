// A program's stages one after the other, on whole images, by the operations of tensor/: for what is to be
// known of a single stage.
#pragma once

#include <vector>

#include "tensor/bands/program.h"

namespace sr {

class StageByStage {
 public:
  /// For images [n, h, w, c] where the program's weights lie. Both must outlive it.
  StageByStage(const bands::Program& program, const Tensor& image);

  bool done() const { return next_ == program_.stages().size(); }
  /// Errors: as the operations'.
  void run_next();
  /// Of the last stage.
  const Tensor& result() const { return result_; }

 private:
  const Tensor& at(const bands::Rows& rows) const { return rows_[static_cast<size_t>(rows.index)]; }

  const bands::Program& program_;
  size_t next_ = 0;
  std::vector<Tensor> rows_;
  Tensor result_;
};

}  // namespace sr
