// Tables of a network's layers, for people.
#pragma once

#include <cstdint>

#include "idn/model.h"

namespace sr {

/// What each layer is: weights, multiply-adds for a pixel of the image, how far its result looks.
void print_layers(const Model& model);

/// How long each takes where the model lies, on an image of that size. Errors: as layer_times().
void print_profile(const Model& model, int64_t width, int64_t height);

}  // namespace sr
