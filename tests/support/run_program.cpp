#include "tests/support/run_program.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <thread>

namespace sr {
namespace {

// What the system has counted for a process that has ended but is still known; -1 if it does not count.
int64_t bytes_written_by(pid_t process) {
  std::ifstream counters("/proc/" + std::to_string(process) + "/io");
  std::string name;
  for (int64_t value = 0; counters >> name >> value;)
    if (name == "wchar:") return value;
  return -1;
}

bool has_ended(pid_t process, int options) {
  siginfo_t ended{};
  waitid(P_PID, static_cast<id_t>(process), &ended, WEXITED | WNOWAIT | options);
  return ended.si_pid != 0;
}

}  // namespace

std::string text_of_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

ProgramRun run_program(const std::string& program, std::vector<std::string> arguments, int seconds) {
  return run_program_until(nullptr, 0, program, std::move(arguments), seconds);
}

ProgramRun run_program_until(const std::function<bool()>& moment, int signal, const std::string& program,
                             std::vector<std::string> arguments, int seconds) {
  const TestFolder folder;
  const std::string out = folder / "out", err = folder / "err";
  const std::string built = std::string(SR_BIN_DIR) + "/" + program;
  arguments.insert(arguments.begin(), std::filesystem::exists(built) ? built : program);
  std::vector<char*> argv;
  for (std::string& a : arguments) argv.push_back(a.data());
  argv.push_back(nullptr);
  const auto start = std::chrono::steady_clock::now();
  const pid_t child = fork();
  if (child == 0) {
    alarm(static_cast<unsigned>(seconds));  // survives exec
    dup2(open(out.c_str(), O_CREAT | O_WRONLY, 0600), STDOUT_FILENO);
    dup2(open(err.c_str(), O_CREAT | O_WRONLY, 0600), STDERR_FILENO);
    execvp(argv[0], argv.data());
    _exit(127);
  }
  while (moment && !has_ended(child, WNOHANG)) {
    if (moment()) {
      kill(child, signal);
      break;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  has_ended(child, 0);
  ProgramRun run;
  run.written_bytes = bytes_written_by(child);
  int status = 0;
  rusage usage{};
  wait4(child, &status, 0, &usage);
  run.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (WIFEXITED(status)) run.status = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) run.signal = WTERMSIG(status);
  run.out = text_of_file(out);
  run.err = text_of_file(err);
  run.peak_bytes = int64_t{usage.ru_maxrss} * 1024;
  return run;
}

}  // namespace sr
