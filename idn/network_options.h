// What a network is built as.
#pragma once

#include <optional>

namespace sr {

/// SPAN's: see idn/span.h.
struct SpanOptions {
  int channels = 48;      ///< of the features, a multiple of 16
  int blocks = 6;         ///< of three convolutions each
  bool branches = false;  ///< the form in which it is trained: 3x3 convolutions are made of branches
  int joined = 0;         ///< channels that the upsampler sees, a multiple of 16; 0: as many as channels

  bool operator==(const SpanOptions&) const = default;  ///< of all
};

/// What a network's result is added to.
enum class Base {
  bicubic,  ///< the bicubic enlargement of the image
  none      ///< nothing: the network makes the image itself
};

/// What decides a network's shape, and what it is trained to give.
struct NetworkOptions {
  int factor = 2;                      ///< 2, 3 or 4
  int nchan = 1;                       ///< channels in and out
  int num_FB_layers = 2;               ///< IDN: convolutions of the feature extraction
  int num_Dist_blocks = 4;             ///< IDN: distillation blocks
  bool compression_activation = true;  ///< leaky ReLU after the 1x1 compression (the paper's network)
  int crop_begin =
      9 - 2;  ///< taps of the 17 that are cropped above and left; the paper's phase is 9 - factor
  std::optional<SpanOptions> span = {};  ///< the network is SPAN, and IDN's four options say nothing
  Base base = Base::bicubic;             ///< what its result is added to

  bool operator==(const NetworkOptions&) const = default;  ///< of all
};

/// Errors: usage (a number out of its range).
void check(const NetworkOptions& options);

}  // namespace sr
