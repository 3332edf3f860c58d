// Runs a program as a user would and tells how it ended.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace sr {

struct ProgramRun {
  int status = -1;  ///< exit status; -1 if a signal ended it
  int signal = 0;
  std::string out, err;
  int64_t peak_bytes = 0;      ///< resident memory at its largest
  int64_t written_bytes = -1;  ///< to files, pipes and terminals; -1 if the system does not count them
  double seconds = 0;
};

/// A folder for one test, removed when it ends.
class TestFolder {
 public:
  TestFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "superres-test-XXXXXX").string();
    path_ = mkdtemp(name.data());
  }
  ~TestFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;
  std::string operator/(const std::string& name) const { return (path_ / name).string(); }
  std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

inline std::string text_of_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

/// What the system has counted for a process that has ended but is still known; -1 if it does not count.
inline int64_t bytes_written_by(pid_t process) {
  std::ifstream counters("/proc/" + std::to_string(process) + "/io");
  std::string name;
  for (int64_t value = 0; counters >> name >> value;)
    if (name == "wchar:") return value;
  return -1;
}

/// `program` is a name in the build's bin folder, or found on the PATH. Killed after `seconds`.
inline ProgramRun run_program(const std::string& program, std::vector<std::string> arguments,
                              int seconds = 300) {
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
  siginfo_t ended{};
  waitid(P_PID, static_cast<id_t>(child), &ended, WEXITED | WNOWAIT);
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
