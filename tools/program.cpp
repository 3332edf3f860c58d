#include "tools/program.h"

#include <malloc.h>
#include <omp.h>
#include <signal.h>
#include <unistd.h>

#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <new>
#include <string_view>

#include "tensor/bands/kernels.h"
#include "tensor/cuda/device.h"
#include "tensor/error.h"
#include "tensor/on_cuda.h"
#include "tensor/simd/instruction_set.h"
#include "tools/documents.h"
#include "tools/version.h"

namespace sr {
namespace {

// Windows and tensors return to the system when they are freed. Left to itself, glibc takes them from its
// heaps as soon as the first was freed, and sizes that change from tile to tile leave holes there: a large
// scene needed half as much again as a small one.
void return_large_blocks_to_the_system() {
  mallopt(M_MMAP_THRESHOLD, 1 << 18);
}

// Ctrl-C, kill, and a terminal or connection that is gone, unless nohup has the program outlive it.
void notice_signals_to_stop() {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction before {};
    sigaction(signal, nullptr, &before);
    if (signal == SIGHUP && before.sa_handler == SIG_IGN) continue;
    std::signal(signal, [](int) { interrupted = 1; });
  }
}

// The number in "cuda:N", -1 if the text is anything else.
int gpu_number(std::string_view device) {
  constexpr std::string_view kPrefix = "cuda:";
  int number = -1;
  if (!device.starts_with(kPrefix)) return number;
  const char* end = device.data() + device.size();
  const auto [stop, error] = std::from_chars(device.data() + kPrefix.size(), end, number);
  return error == std::errc() && stop == end ? number : -1;
}

// All that can be used for "cuda" and "auto".
std::vector<int> gpus_named(const std::string& device) {
  if (const int number = gpu_number(device); number >= 0) return {number};
  if constexpr (cuda::kBuilt) return cuda::usable_devices();
  return {};
}

CLI::Validator number_check(const char* type, const std::string& wanted, bool (*holds)(double)) {
  const auto problem = [=](const std::string& text) {
    char* end = nullptr;
    const double number = std::strtod(text.c_str(), &end);
    return !text.empty() && *end == 0 && holds(number) ? std::string() : text + " is no number of " + wanted;
  };
  return {problem, type};
}

}  // namespace

volatile std::sig_atomic_t interrupted = 0;

void CommonOptions::add_to(CLI::App& app, const std::string& automatic, size_t most_gpus,
                           OnProcessor on_processor) {
  automatic_ = automatic;
  most_gpus_ = most_gpus;
  on_processor_ = on_processor;
  const bool on_gpu = !automatic.empty();
  app.add_option("--device", device,
                 on_gpu
                     ? most_gpus > 1
                           ? "auto (all GPUs, or the processor if there is none), cpu, cuda (all) or cuda:N"
                           : "auto (a GPU, or the processor if there is none), cpu, cuda or cuda:N"
                     : "auto or cpu: this program computes on the processor")
      ->check(CLI::Validator(
          [](const std::string& text) {
            const bool known = text == "auto" || text == "cpu" || text == "cuda";
            return known || gpu_number(text) >= 0 ? "" : text + " is not auto, cpu, cuda or cuda:N";
          },
          on_gpu ? "{auto,cpu,cuda,cuda:N}" : "{auto,cpu}"))
      ->capture_default_str();
  if (on_gpu)
    app.add_option("--precision", precision,
                   "of the network; auto is " + automatic + " on a GPU, on the processor fp32" +
                       (on_processor == OnProcessor::bf16_with_amx ? ", or bf16 where it has AMX" : ""))
        ->check(CLI::IsMember({"auto", "fp32", "tf32", "bf16", "fp16"}))
        ->capture_default_str();
  app.add_option("--threads", threads, "threads to compute with (0 = all processors)")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  app.add_flag("--quiet", quiet, "print errors only");
  app.set_version_flag("--version", [name = app.get_name()] { return version_text(name); });
}

void CommonOptions::apply() {
  if (threads > 0) omp_set_num_threads(threads);
  if (device != "cpu") choose_gpu();
  if (gpus_.empty()) choose_on_processor();
}

void CommonOptions::choose_on_processor() const {
  const bool chooses = on_processor_ != OnProcessor::fp32_only;
  if (precision != "auto" && precision != "fp32" && !(precision == "bf16" && chooses))
    throw Error(Error::Kind::usage, "--precision ", precision,
                ": there is no GPU in use, and the processor computes in fp32", chooses ? " or bf16" : "",
                "; leave --precision away");
  const bool automatic = on_processor_ == OnProcessor::bf16_with_amx && bands::has_amx();
  if (precision == "bf16" && !bands::has_bf16())
    throw Error(Error::Kind::usage, "--precision bf16: ",
                active_simd() < best_simd() ? "the set that SR_SIMD allows" : "this processor",
                " has neither AMX nor AVX-512's products of bf16; leave --precision away");
  if (precision == "bf16" || (precision == "auto" && automatic)) bands::set_precision(bands::Precision::bf16);
}

void CommonOptions::say(const std::string& text) const {
  if (!quiet) std::printf("%s\n", text.c_str());
}

std::string CommonOptions::description() const {
  if constexpr (cuda::kBuilt) {
    if (!gpus_.empty()) {
      std::string text = std::string("computing in ") + cuda::name_of(cuda::precision());
      for (const int gpu : gpus_)
        text += (gpu == gpus_[0] ? " on cuda:" : ", cuda:") + std::to_string(gpu) + " (" +
                cuda::device_properties(gpu).name + ")";
      return text;
    }
  }
  const std::string refused = why_no_amx();
  return std::string("computing in ") + bands::name_of(bands::precision()) + " on the cpu with " +
         bands::kernels(bands::precision()).name + ", " + std::to_string(omp_get_max_threads()) + " threads" +
         (refused.empty() ? "" : "; " + refused);
}

void CommonOptions::choose_gpu() {
  if (automatic_.empty()) {
    if (device != "auto")
      throw Error(Error::Kind::device, "--device ", device,
                  ": this program computes on the processor; use --device cpu");
  } else if constexpr (cuda::kBuilt) {
    try {
      gpus_ = gpus_named(device);
      cuda::use_device(gpus_[0]);
    } catch (const Error&) {
      gpus_.clear();
      if (device != "auto") throw;
      return;
    }
    if (gpus_.size() > most_gpus_) gpus_.resize(most_gpus_);
    cuda::set_precision(cuda::precision_named(precision == "auto" ? automatic_ : precision));
  } else if (device != "auto") {
    throw Error(Error::Kind::device, "--device ", device,
                ": this build has no CUDA; build where nvcc is, or use --device cpu");
  }
}

ProgressLine::ProgressLine(bool quiet) : quiet_(quiet), terminal_(isatty(STDOUT_FILENO) != 0) {}

void ProgressLine::operator()(int64_t done, int64_t all) {
  if (interrupted) throw Error(Error::Kind::stopped, "interrupted");
  const double now = seconds();
  if (quiet_ || done <= 0 || (done < all && now - last_ < (terminal_ ? 0.2 : 10))) return;
  if (!terminal_ && done == all) return;  // the closing line says it
  last_ = now;
  const double rate = static_cast<double>(done) / now;
  std::printf("%s  %5.1f %%  %.3f Mpixel/s  %.0f s left%s", terminal_ ? "\r" : "",
              100.0 * static_cast<double>(done) / static_cast<double>(all), rate * 1e-6,
              static_cast<double>(all - done) / rate,
              terminal_ ? (done == all ? "\r\033[K" : "\033[K") : "\n");
  std::fflush(stdout);
}

CLI::Validator not_negative() {
  return number_check("NONNEGATIVE", "at least 0", [](double number) { return number >= 0; });
}

CLI::Validator positive() {
  return number_check("POSITIVE", "more than 0", [](double number) { return number > 0; });
}

void print_error(const char* program, const char* text) {
  std::fflush(stdout);
  std::fprintf(stderr, "%s: error: %s\n", program, text);
}

namespace {

// By default a thread that waits for others spins for up to a millisecond. Where other programs use the
// processors that takes the time of the very threads it waits for, and everything takes several times as
// long. The OpenMP library looks at its environment once, before main(): so the program starts itself again
// with a shorter wait, if none was chosen.
void wait_briefly(char** argv) {
  if (std::getenv("OMP_WAIT_POLICY") || std::getenv("GOMP_SPINCOUNT")) return;
  if (setenv("GOMP_SPINCOUNT", "1000", 1) == 0)
    execv("/proc/self/exe", argv);  // where that fails, on as it is
}

// What the build asks for to make documents of; not an option, so that none of them has it.
// A number that is none, and a value that is empty as an unset variable of a shell is, would be taken for
// something.
void check_values(const CLI::App& app) {
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_items_expected_max() == 0) continue;  // a flag
    for (const std::string& value : option->results()) {
      if (value.empty()) throw Error(Error::Kind::usage, option->get_name(), " is given without a value");
      if (option->get_type_name().starts_with("FLOAT") && !std::isfinite(std::strtod(value.c_str(), nullptr)))
        throw Error(Error::Kind::usage, option->get_name(), " ", value, ": want a number");
    }
  }
}

bool print_document(const CLI::App& app, int argc, char** argv) {
  const std::string_view asked = argc == 2 ? argv[1] : "";
  if (asked == "--print_man_page")
    std::fputs(man_page(app).c_str(), stdout);
  else if (asked == "--print_bash_completion")
    std::fputs(bash_completion(app).c_str(), stdout);
  else
    return false;
  return true;
}

}  // namespace

namespace {

// A script must not take half of what was printed for the whole.
int flushed(const char* program, int status) {
  std::cout.flush();
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0 && std::cout) return status;
  print_error(program, "the standard output could not be written; give it room, or an end that reads it");
  return status == 0 ? 1 : status;
}

}  // namespace

int run_program(CLI::App& app, int argc, char** argv, const std::function<int()>& body) {
  wait_briefly(argv);
  const char* name = app.get_name().c_str();
  return_large_blocks_to_the_system();
  std::setvbuf(stdout, nullptr, _IOLBF, 0);  // lines reach a log file as they come
  notice_signals_to_stop();
  try {
    if (print_document(app, argc, argv)) return flushed(name, 0);
    app.parse(argc, argv);
    check_values(app);
    return flushed(name, body());
  } catch (const CLI::Success& e) {
    return flushed(name, app.exit(e));
  } catch (const CLI::ParseError& e) {
    print_error(name, (std::string(e.what()) + "; --help lists the options").c_str());
    return 2;
  } catch (const Error& e) {
    print_error(name, e.what());
    return e.kind() == Error::Kind::usage && !interrupted ? 2 : 1;
  } catch (const std::bad_alloc&) {
    print_error(name, "out of memory; use a smaller --max_memory or tiles");
  } catch (const std::exception& e) {
    print_error(name, e.what());
  }
  return 1;
}

}  // namespace sr
