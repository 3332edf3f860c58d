// The network of a model: IDN or SPAN.
#pragma once

#include <variant>

#include "idn/idn.h"
#include "idn/span.h"

namespace sr {

/// "bicubic" or "none".
const char* name_of(Base base);

/// A network without its base: [n, h, w, nchan] -> residual (or image) [n, factor*h, factor*w, nchan].
class Network {
 public:
  /// Creates the parameters in `p`. Errors: usage.
  Network(const ParamScope& p, const NetworkOptions& options);

  Var operator()(const Var& image) const;  ///< what is added to the base
  /// The same for images on the processor, without gradients: what runs band by band. It shares the weights,
  /// or has copies of those that are made of several parameters.
  bands::Program program() const;
  const NetworkOptions& options() const { return options_; }  ///< as given

  /// How far a fine pixel's value looks in coarse pixels, from the layers: the margin that makes tiles exact.
  Reach reach() const;
  /// Memory of the layers' results, but for the last's, where a freed block serves its own size only, as in
  /// what is recorded for a GPU (DevicePool): channels per coarse pixel.
  int64_t recorded_channels() const;

 private:
  NetworkOptions options_;
  std::variant<Idn, Span> network_;
};

}  // namespace sr
