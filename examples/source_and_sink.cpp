// Enlarges a picture that nobody holds as a whole: windows are made as they are asked for, and results go to
// their places in a file of raw samples.   source_and_sink RESULT.raw [WIDTH HEIGHT [MEGABYTES]]
#include <sys/resource.h>

#include <cstdio>
#include <fstream>
#include <iostream>
#include <string>

#include "idn/checkpoint_files.h"
#include "scene/invented/procedural_scene.h"
#include "scene/windows.h"

using namespace sr;

// Rows of pixels one after the other, without a header.
class RawFile {
 public:
  RawFile(const std::string& path, int64_t width) : file_(path, std::ios::binary), width_(width) {
    file_.exceptions(std::ios::failbit | std::ios::badbit);  // such an exception ends the run and comes out
  }

  void write(const Raster& raster) {
    const Window& w = raster.window;
    const int64_t pixel = raster.bands * bytes_of(raster.type);
    const char* row = reinterpret_cast<const char*>(raster.samples.data());
    for (int64_t y = 0; y < w.h; ++y, row += w.w * pixel) {
      file_.seekp(((w.y + y) * width_ + w.x) * pixel);
      file_.write(row, w.w * pixel);
    }
  }

 private:
  std::ofstream file_;
  int64_t width_;
};

int main(int argc, char** argv) {
  if (argc < 2) {
    std::cerr << "usage: source_and_sink RESULT.raw [WIDTH HEIGHT [MEGABYTES]]\n";
    return 2;
  }
  try {
    const Model model = Model::load(find_checkpoint(PRETRAINED, 2));

    ProceduralScene landscape;  // stands for a camera, a database, another file format
    landscape.width = argc > 3 ? std::stoll(argv[2]) : 600;
    landscape.height = argc > 3 ? std::stoll(argv[3]) : 400;
    landscape.samples = 2;

    RawFile result(argv[1], landscape.width * model.factor());
    int windows = 0;
    WindowOptions options;
    options.max_memory_bytes = (argc > 4 ? std::stoll(argv[4]) : 256) << 20;
    upscale_windows(
        model, {.width = landscape.width, .height = landscape.height, .bands = 3, .type = SampleType::u8},
        {.read = [&](const Window& window) { return procedural_scene(landscape, window); },
         .write = [&](const Raster& raster) { result.write(raster); },
         .progress = [&](int64_t, int64_t) { ++windows; }},
        options);

    rusage used{};
    getrusage(RUSAGE_SELF, &used);
    std::cout << landscape.width * 2 << " x " << landscape.height * 2 << " pixels of 3 bytes in " << windows
              << " windows, at most " << used.ru_maxrss / 1024 << " MB of memory\n";
    return 0;
  } catch (const std::exception& e) {
    std::cerr << "source_and_sink: error: " << e.what() << '\n';
    std::remove(argv[1]);  // nothing half-written stays
    return 1;
  }
}
