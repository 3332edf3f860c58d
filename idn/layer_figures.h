// What the layers of a network are, and how long each takes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "idn/model.h"
#include "layers/reach.h"

namespace sr {

/// A stage of Network::program().
struct LayerFigures {
  std::string name;           ///< its parameters': "blocks.0.conv1"; of two that are one stage both
  std::string what;           ///< "3x3, 48 to 32 in 4 groups"
  int64_t weights = 0;        ///< biases included
  int64_t multiply_adds = 0;  ///< for a pixel of the image, as direct sums have them
  Reach reach;                ///< of its result in the image, by direct sums
};

/// The stages in the order in which they run.
std::vector<LayerFigures> layer_figures(const Model& model);

struct LayerTimes {
  double pass = 0;             ///< seconds of the whole network
  std::vector<double> layers;  ///< of each stage
};

/// The fastest of `rounds` passes over a random image of that size where the model lies. On the processor
/// stages run band by band, and a stage's time is that of all threads divided by their number: what lacks to
/// the pass is waiting and what is between them. On a GPU they run one after the other, each waited for, and
/// the pass is their sum. Errors: limit, device.
LayerTimes layer_times(const Model& model, int64_t width, int64_t height, int rounds);

}  // namespace sr
