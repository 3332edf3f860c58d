// What all programs share: the common options, exit status, messages, progress, interruption.
#pragma once

#include <CLI/CLI.hpp>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "tensor/tensor.h"

namespace sr {

/// Set by SIGINT, SIGTERM and SIGHUP while run_program() runs; by SIGHUP not where it was ignored before
/// (nohup).
extern volatile std::sig_atomic_t interrupted;

/// What a program's network computes in on the processor where --precision does not say it.
enum class OnProcessor {
  fp32_only,     ///< and nothing else can be asked for
  fp32,          ///< or bf16 where it is asked for
  bf16_with_amx  ///< where the processor has the unit; else fp32
};

/// --device, --precision, --threads, --quiet, --version.
struct CommonOptions {
  std::string device = "auto", precision = "auto";
  int threads = 0;
  bool quiet = false;

  /// `automatic`: what --precision auto stands for, in a program that runs the network, on `most_gpus` at
  /// most; others compute on the processor, in what `on_processor` says.
  void add_to(CLI::App& app, const std::string& automatic = "", size_t most_gpus = 1,
              OnProcessor on_processor = OnProcessor::fp32_only);

  /// Sets the number of threads, and the device for the calling thread where the program runs the network.
  /// Errors: device (the one asked for cannot be used, and why), usage (a precision that the processor does
  /// not have).
  void apply();

  Device target() const { return gpus_.empty() ? Device::cpu : Device::cuda; }
  /// The GPUs that the network may run on, the calling thread's first; none: it runs on the processor.
  const std::vector<int>& gpus() const { return gpus_; }

  void say(const std::string& text) const;

  /// "computing in bf16 on the cpu with amx, 2 threads"
  std::string description() const;

 private:
  void choose_gpu();
  void choose_on_processor() const;

  std::string automatic_;  // what --precision auto is; empty: the program does not run the network
  size_t most_gpus_ = 0;
  OnProcessor on_processor_ = OnProcessor::fp32_only;
  std::vector<int> gpus_;
};

/// One line that is rewritten on a terminal and printed now and then elsewhere: share, rate, time left.
class ProgressLine {
 public:
  explicit ProgressLine(bool quiet);

  /// `unit` is what `done` and `all` count, per 10^6. Errors: stopped (interrupted).
  void operator()(int64_t done, int64_t all);

  double seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }

 private:
  using Clock = std::chrono::steady_clock;
  bool quiet_, terminal_;
  Clock::time_point start_ = Clock::now();
  double last_ = 0;
};

/// Checks that an option's number is at least 0, or more than 0. (CLI11's own name the largest double in
/// their message, which has 309 digits.)
CLI::Validator not_negative();
CLI::Validator positive();

/// Prints "NAME: error: TEXT" on the error stream.
void print_error(const char* program, const char* text);

/// Parses the command line and runs `body`, which returns the exit status: 0 done, 1 failed, 2 wrong usage.
int run_program(CLI::App& app, int argc, char** argv, const std::function<int()>& body);

}  // namespace sr
