// The literature's protocol for the quality of a super-resolution network: from one picture to PSNR and SSIM.
#pragma once

#include <string>

#include "idn/model.h"
#include "io/raster.h"

namespace sr {

/// How near an image comes to the truth.
struct Quality {
  double psnr = 0;  ///< dB
  double ssim = 0;  ///< at most 1
};

/// An image's results.
struct Score {
  Quality bicubic;  ///< enlarged without the network
  Quality idn;      ///< and with it
};

/// The ground truth [1, h, w, 1], whole numbers 0..255: luma as MATLAB's rgb2ycbcr rounds it (grey as it is,
/// alpha left out), cropped right and below to a multiple of the factor. BMP, PNG, JPEG or TIFF. Errors:
/// those of read_picture and TiffReader; unsupported (samples other than 8-bit grey or RGB), shape (too small
/// for SSIM's window within the border). Each names the file. `note`, if given, gets what the user should be
/// told of how it was decoded, or "".
Tensor read_ground_truth(const std::string& path, int factor, std::string* note = nullptr);

/// The same from samples. `name` is for the errors.
Tensor ground_truth(const Raster& picture, int factor, const std::string& name);

/// Shrinks by the factor, without rounding, to the 0..1 scale: what the methods to compare get.
Tensor protocol_input(const Tensor& truth, int factor);

/// PSNR and SSIM, peak 255, of an image on the 0..1 scale rounded to 8 bits; `border` pixels on each side are
/// left out. Errors: shape.
Quality quality(const Tensor& image, const Tensor& truth, int border);

/// bicubic + network for luma [1, h, w, 1] on the 0..1 scale. With `self_ensemble` the mean of the results
/// for the eight flips and rotations. Memory does not grow with the image beyond the image. Errors: usage
/// (the network takes other than one channel).
Tensor super_resolve_luma(const Model& model, const Tensor& luma, bool self_ensemble);

/// The protocol for one image. Errors: usage, shape.
Score score(const Model& model, const Tensor& truth, bool self_ensemble);

}  // namespace sr
