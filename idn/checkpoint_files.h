// Where the checkpoints of a network lie: PATH/xFACTOR/ckpts/ckpt-STEP.sr.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace sr {

/// The file to use for `pretrained_path`: itself if it is a file; else of PATH/xFACTOR/ckpts the checkpoint
/// (ckpt-STEP.sr) with the highest step. Errors: io (no such folder or no checkpoint in it, with what is
/// there).
std::string find_checkpoint(const std::string& pretrained_path, int factor);

/// PATH/xFACTOR/ckpts/ckpt-STEP.sr; creates the folders. Errors: io.
std::string checkpoint_name(const std::string& path, int factor, int64_t step);

/// The folder PATH/xFACTOR, which holds what belongs to one factor.
std::string factor_folder(const std::string& path, int factor);

/// Whether PATH/xFACTOR/ckpts holds a checkpoint.
bool has_checkpoint(const std::string& path, int factor);

/// Removes old checkpoints of PATH/xFACTOR/ckpts. What stays: the first one, the `newest` highest steps,
/// and between them one for every `seconds_apart` between the times at which they were written.
void remove_old_checkpoints(const std::string& path, int factor, size_t newest, double seconds_apart);

}  // namespace sr
