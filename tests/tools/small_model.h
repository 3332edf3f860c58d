// Weights for tests: a network without distillation blocks is thirty times as fast and goes through all the
// code.
#pragma once

#include <string>

#include "idn/checkpoint_files.h"
#include "idn/model.h"

namespace sr {

/// Writes random weights to PATH/xFACTOR/ckpts; the residual is kept near the size that trained weights give.
inline Model write_small_model(const std::string& path, int factor, int nchan = 1) {
  NetworkOptions options;
  options.factor = factor, options.crop_begin = 9 - factor;
  options.num_FB_layers = 1, options.num_Dist_blocks = 0, options.nchan = nchan;
  Model model(options, 5);
  for (Parameter& p : model.params->list()) {
    if (p.name != "upsample.weight") continue;
    Tensor small = p.var.value().clone();
    for (int64_t i = 0; i < small.shape().size(); ++i) small.data()[i] *= 0.02f;
    p.var.set_value(small);
  }
  model.origin = "random weights";
  model.save(checkpoint_name(path, factor, 0));
  return model;
}

}  // namespace sr
