// What a training begins with: a new network for a data set, or a restored one that fits it and the options.
#pragma once

#include <functional>
#include <string>

#include "training/dataset/dataset.h"
#include "training/training.h"

namespace sr {

using Say = std::function<void(const std::string& text)>;

/// Which tiles a training is judged on: another text for another data set or number of tiles.
std::string judged_on(const TrainingOptions& options);

/// The training's best network so far.
std::string best_checkpoint(const TrainingOptions& options);

/// A new network with random or other's weights, or the newest checkpoint of options.restore_path, whose
/// network and sizes become the options'; best_psnr becomes the restored training's, if that was judged on
/// the same tiles and its best network lies in the output folder. Errors: those of
/// Trainer; usage (the data set is another, an option that was given is not the restored training's, the
/// output folder holds a training).
Trainer start_training(TrainingOptions& options, const DatasetInfo& data, double& best_psnr, const Say& say);

/// Errors: usage (a number is too small, tiles of other sides were asked for than the data set has).
void check(const TrainingOptions& options, const DatasetInfo& data);

}  // namespace sr
