// What is made of a scene, told from anything else that could be.
#pragma once

#include <string>

#include "scene/prepare.h"

namespace sr {

/// What the network computes in on these GPUs, or on the processor: "fp16", "bf16", ...
std::string precision_of(const std::vector<int>& gpus);

/// Length and CRC-32C of a file, which it reads whole. Errors: io, stopped.
std::string content_of(const std::string& path);

/// One line of JSON with all that decides a result: the input (content_of()), the weights (Origin), options,
/// version; of the bicubic result without what only the network's depends on.
std::string job_of(const std::string& input, bool bicubic, int factor, const SceneOptions& options);

/// The item of GDAL_METADATA by which a result tells its job: the line's checksum.
std::pair<std::string, std::string> job_item(const std::string& job);

/// Whether there is a complete result of this job under that name.
bool is_made(const std::string& result, const std::string& job);

/// The job with what decides the order of the blocks in the file and the last bits of its samples: what was
/// begun under this line can be gone on with.
std::string file_job(const std::string& job, const PreparedScene& scene);

}  // namespace sr
