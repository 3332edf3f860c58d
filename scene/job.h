// What is made of a scene, told from anything else that could be.
#pragma once

#include <string>

#include "scene/prepare.h"

namespace sr {

/// What the network computes in on these GPUs, or on the processor: "fp16", "bf16", ...
std::string precision_of(const std::vector<int>& gpus);

/// Length and CRC-32C of a scene's file, which it reads whole, and of the files beside it that have a part in
/// the result: mask, georeference, nodata, RPC. Errors: io, stopped.
std::string content_of(const std::string& path);

/// In what the network of these options computes, or has computed.
std::string precision_of(const SceneOptions& options);

/// The instruction set of the processor, or "cuda", on which the last bits of samples depend.
std::string kernels_of(const std::vector<int>& gpus);

/// One line of JSON with all that decides a result: the input (content_of()), the weights (Origin), options,
/// version; of the bicubic result without what only the network's depends on.
std::string job_of(const std::string& input, bool bicubic, int factor, const SceneOptions& options);

/// Both lines for the scene at `path`. Errors: as content_of().
SceneJobs jobs_of(const std::string& path, int factor, const SceneOptions& options);

/// The item of GDAL_METADATA by which a result tells its job: the line's checksum.
std::pair<std::string, std::string> job_item(const std::string& job);

/// Whether there is a complete result of this job under that name.
bool is_made(const std::string& result, const std::string& job);

/// Whether all results that are wanted are there.
bool is_made(const SceneResults& results, const SceneJobs& jobs);

/// The job with what decides the last bits of samples: parts of a scene that were made under this line belong
/// together.
std::string part_job(const std::string& job, const PreparedScene& scene);

/// That with what decides the order of the blocks in a file: what was begun under this line can be gone on
/// with.
std::string file_job(const std::string& job, const PreparedScene& scene);

}  // namespace sr
