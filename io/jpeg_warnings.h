// Which of libjpeg's warnings cost pixels.
#pragma once

namespace sr {

/// Whether a warning of libjpeg (JWRN_...) may mean that pixels are missing or wrong. Stray bytes between
/// markers, header fields out of range that the decoder does not use, and unknown versions do no harm.
bool loses_pixels(int warning);

}  // namespace sr
