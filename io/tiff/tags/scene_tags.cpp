#include "io/tiff/tags/scene_tags.h"

#include "io/tiff/tags/georeference.h"
#include "io/tiff/tags/grid_texts.h"

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
