#include "tools/shard_option.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <optional>

#include "tensor/error.h"

namespace sr {
namespace {

constexpr int64_t kMostShards = 1'000'000;

std::optional<int64_t> number_of(const std::string& text) {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return {};
  return number;
}

// Nothing if it is not set.
std::optional<int64_t> variable(const char* name) {
  const char* text = std::getenv(name);
  if (!text || !*text) return {};
  const auto number = number_of(text);
  if (!number)
    throw Error(Error::Kind::usage, name, "=", text,
                ": want a number; say which share this process takes with --shard I/N, or --shard none");
  return number;
}

Shard checked(int64_t index, int64_t count, const std::string& source) {
  if (count < 1 || count > kMostShards || index < 1 || index > count)
    throw Error(Error::Kind::usage, source, ": share ", index, " of ", count,
                " is none; want I/N with I from 1 to N");
  return {static_cast<int>(index), static_cast<int>(count), source};
}

// --array=4-16:3 has the numbers 4, 7, 10, 13 and 16.
std::optional<Shard> slurm_array() {
  const auto id = variable("SLURM_ARRAY_TASK_ID"), count = variable("SLURM_ARRAY_TASK_COUNT");
  if (!id || !count) return {};
  const int64_t least = variable("SLURM_ARRAY_TASK_MIN").value_or(0);
  const int64_t step = std::max<int64_t>(1, variable("SLURM_ARRAY_TASK_STEP").value_or(1));
  const int64_t most = variable("SLURM_ARRAY_TASK_MAX").value_or(least + (*count - 1) * step);
  if ((most - least) / step + 1 != *count || (*id - least) % step != 0)
    throw Error(Error::Kind::usage, "the array's ", *count, " numbers from ", least, " to ", most,
                " have gaps, so that they do not tell which share this process takes; give --shard I/N");
  return checked((*id - least) / step + 1, *count, "SLURM_ARRAY_TASK_ID");
}

// MPI's first: where mpirun starts its processes through Slurm, the step is one of mpirun's own helpers.
// SLURM_NTASKS tells nothing: batch scripts, which are one process, have it too.
std::optional<Shard> ranks() {
  constexpr const char* kNames[][2] = {{"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"},
                                       {"PMI_RANK", "PMI_SIZE"},
                                       {"SLURM_PROCID", "SLURM_STEP_NUM_TASKS"}};
  for (const auto& [rank_name, size_name] : kNames) {
    const auto rank = variable(rank_name), size = variable(size_name);
    if (rank && size) return checked(*rank + 1, *size, rank_name);
  }
  return {};
}

}  // namespace

Shard shard_of_option(const std::string& option) {
  if (option == "none") return {};
  if (option != "auto") {
    const size_t slash = option.find('/');
    const auto index = number_of(option.substr(0, slash));
    const auto count = number_of(slash == std::string::npos ? "" : option.substr(slash + 1));
    if (!index || !count) throw Error(Error::Kind::usage, "--shard ", option, ": want I/N, as 2/5, or none");
    return checked(*index, *count, "--shard");
  }
  const std::optional<Shard> array = slurm_array(), rank = ranks();
  if (!array) return rank.value_or(Shard());
  if (!rank || rank->count == 1) return *array;
  const int64_t of_each = rank->count;
  return checked((array->index - 1) * of_each + rank->index, array->count * of_each,
                 array->source + " and " + rank->source);
}

}  // namespace sr
