// Loads a checkpoint and enlarges one image in memory:  one_image [WEIGHTS [RESULT.png]]
#include <iostream>

#include "idn/checkpoint_files.h"
#include "idn/metrics.h"
#include "idn/super_resolve.h"
#include "io/formats/picture.h"
#include "scene/invented/procedural_scene.h"
#include "tensor/ops/resize.h"

using namespace sr;

// Samples of 0..255 on the scale of 0..1, as [1, rows, columns, bands].
Tensor to_tensor(const Raster& raster) {
  Tensor values({1, raster.window.h, raster.window.w, raster.bands});
  for (int64_t i = 0; i < values.shape().size(); ++i)
    values.data()[i] = static_cast<float>(raster.data<uint8_t>()[i]) / 255;
  return values;
}

Raster to_raster(const Tensor& values) {
  const Shape& shape = values.shape();
  Raster raster({0, 0, shape.w, shape.h}, static_cast<int>(shape.c), SampleType::u8);
  for (int64_t i = 0; i < shape.size(); ++i)
    raster.data<uint8_t>()[i] = to_sample<uint8_t>(255 * double{values.data()[i]});
  return raster;
}

int main(int argc, char** argv) {
  try {
    const std::string weights = argc > 1 ? argv[1] : PRETRAINED;  // what was installed (CMakeLists.txt)
    const Model model = Model::load(find_checkpoint(weights, 2));
    std::cout << model.params->count() << " parameters, x" << model.factor() << '\n';

    // The truth is an invented landscape; the network sees it shrunk to half.
    const ProceduralScene landscape{.width = 192, .height = 128, .samples = 4};
    const Tensor truth = to_tensor(procedural_scene(landscape, {0, 0, 192, 128}));
    const Tensor image = bicubic_resize(truth, 64, 96);
    const Tensor bicubic = bicubic_enlarge(image, model.factor());
    const Tensor result = super_resolve(model, image, bicubic);

    const double before = psnr(bicubic, truth, 1), after = psnr(result, truth, 1);
    std::cout << "bicubic " << before << " dB, network " << after << " dB\n";
    if (argc > 2) write_png(argv[2], to_raster(result));
    return after > before ? 0 : 1;
  } catch (const Error& e) {  // the library never prints and never exits
    std::cerr << "one_image: error: " << e.what() << '\n';
    return 1;
  }
}
