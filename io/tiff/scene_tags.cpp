#include "io/tiff/scene_tags.h"

#include "io/tiff/georeference.h"
#include "io/tiff/grid_texts.h"

namespace sr {

SceneTags scaled(const SceneTags& tags, int factor) {
  SceneTags fine = tags;
  scale_georeference(fine, factor);
  scale_texts(fine, factor);
  fine.x_resolution *= factor;
  fine.y_resolution *= factor;
  return fine;
}

}  // namespace sr
