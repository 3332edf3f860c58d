#include "io/output_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <filesystem>
#include <system_error>

#include "io/crc32c.h"

namespace sr {
namespace {

class Descriptor {
 public:
  Descriptor(const std::string& path, int flags) : fd_(::open(path.c_str(), flags | O_CLOEXEC, 0666)) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  int get() const { return fd_; }
  bool open() const { return fd_ >= 0; }

  /// Closes at once, for callers that must know whether it worked (network file systems write late).
  bool close() {
    const int fd = fd_;
    fd_ = -1;
    return ::close(fd) == 0;
  }

 private:
  int fd_;
};

std::string reason(int error_number) {
  return std::generic_category().message(error_number);
}

std::string write_remedy(int error_number) {
  switch (error_number) {
    case ENOENT:
      return "the folder does not exist; create it first";
    case ENOTDIR:
      return "a part of the path is a file; name a folder";
    case EACCES:
    case EPERM:
      return "choose a folder that you may write to";
    case EROFS:
      return "choose a folder on another disk";
    case ENOSPC:
      return "the disk is full; free some space or choose another disk";
    case EDQUOT:
      return "the quota is used up; free some space or choose another disk";
    case EFBIG:
      return "the disk takes no file of this size; choose another disk";
    case EISDIR:
      return "a folder has this name; remove it or choose another name";
    case ENAMETOOLONG:
      return "choose a shorter name";
    default:
      return "check the disk and the path";
  }
}

std::string read_remedy(int error_number) {
  switch (error_number) {
    case ENOENT:
      return "check the path";
    case EACCES:
    case EPERM:
      return "ask for permission to read it";
    case EISDIR:
      return "name a file";
    default:
      return "check the disk and the path";
  }
}

/// True if all were written; else errno says why not.
bool write_all(int fd, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
  return true;
}

void sync_folder_of(const std::string& path) {
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  const Descriptor descriptor(folder.empty() ? "." : folder.string(), O_RDONLY | O_DIRECTORY);
  // The file is complete and has its name. A folder that may be written but not read, or a file system that
  // cannot sync folders, is no reason to report a failure.
  if (!descriptor.open()) return;
  if (::fsync(descriptor.get()) != 0 && errno == EIO) throw cannot_write(path, EIO);
}

// What is renamed over a device or a pipe takes its place: as root /dev/null would become a file.
void check_is_no_device(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode))
    throw Error(
        Error::Kind::io, "cannot write ", path,
        ": it is a device or a pipe, and results are files that appear when they are complete; name a "
        "file");
}

// Opens `temporary`, in which `path` is written, for this run alone. A lock is of a file, not of a name: one
// that got another name meanwhile (the run before has just completed) is let go. File systems without locks
// take part unlocked.
int locked_file(const std::string& path, const std::string& temporary) {
  check_is_no_device(path);
  while (true) {
    const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0) throw cannot_write(path, errno);
    if (::flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
      ::close(fd);
      throw Error(Error::Kind::io, "cannot write ", path, ": another run is writing it (", temporary,
                  " is locked); let that one end, or choose another name");
    }
    struct stat locked {
    }, named{};
    if (::fstat(fd, &locked) == 0 && ::stat(temporary.c_str(), &named) == 0 &&
        locked.st_ino == named.st_ino && locked.st_dev == named.st_dev)
      return fd;
    ::close(fd);
  }
}

struct InputFile {
  Descriptor descriptor;
  uint64_t size = 0;

  // Non-blocking: opening a pipe that nobody writes to must not hang.
  explicit InputFile(const std::string& path) : descriptor(path, O_RDONLY | O_NONBLOCK) {
    struct stat status {};
    if (!descriptor.open() || ::fstat(descriptor.get(), &status) != 0) throw cannot_read(path, errno);
    if (S_ISDIR(status.st_mode)) throw cannot_read(path, EISDIR);
    if (!S_ISREG(status.st_mode)) {
      throw Error(Error::Kind::io, "cannot read ", path, ": it is a device or a pipe; name a file");
    }
    size = static_cast<uint64_t>(status.st_size);
  }
};

}  // namespace

Error cannot_write(const std::string& path, int error_number) {
  return Error(Error::Kind::io, "cannot write ", path, ": ", reason(error_number), "; ",
               write_remedy(error_number));
}

Error cannot_read(const std::string& path, int error_number) {
  return Error(Error::Kind::io, "cannot read ", path, ": ", reason(error_number), "; ",
               read_remedy(error_number));
}

std::string temporary_name(const std::string& path) {
  return path + ".part";
}

PartialFile::PartialFile(const std::string& path, Start start)
    : path_(path), temporary_(temporary_name(path)), lock_(locked_file(path, temporary_)) {
  if (start == Start::as_left || ::ftruncate(lock_, 0) == 0) return;
  const int reason = errno;
  ::close(lock_);
  throw cannot_write(path_, reason);
}

PartialFile::~PartialFile() {
  if (!stays_) ::unlink(temporary_.c_str());
  ::close(lock_);
}

void PartialFile::commit() {
  if (::fsync(lock_) != 0) throw cannot_write(path_, errno);
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) throw cannot_write(path_, errno);
  stays_ = true;
  sync_folder_of(path_);
}

void write_file(const std::string& path, std::span<const std::byte> bytes) {
  PartialFile partial(path);
  Descriptor file(partial.temporary(), O_WRONLY);
  if (!file.open() || !write_all(file.get(), bytes) || !file.close()) throw cannot_write(path, errno);
  partial.commit();
}

void write_file(const std::string& path, const std::string& text) {
  write_file(path, std::as_bytes(std::span(text)));
}

AppendedFile::AppendedFile(const std::string& path)
    : path_(path), fd_(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666)) {
  if (fd_ < 0) throw cannot_write(path_, errno);
}

AppendedFile::~AppendedFile() {
  ::close(fd_);
}

void AppendedFile::append(std::string_view text) {
  struct stat before {};
  if (::fstat(fd_, &before) != 0) throw cannot_write(path_, errno);
  if (write_all(fd_, std::as_bytes(std::span(text)))) return;
  const int reason = errno;
  // Half a record would make what follows it unreadable. If that fails too, the first error is the one to
  // tell.
  [[maybe_unused]] const int cut = ::ftruncate(fd_, before.st_size);
  throw cannot_write(path_, reason);
}

void AppendedFile::sync() {
  if (::fdatasync(fd_) != 0 && errno == EIO) throw cannot_write(path_, EIO);
}

uint64_t file_bytes(const std::string& path) {
  return InputFile(path).size;
}

std::string read_file_part(const std::string& path, uint64_t offset, size_t bytes) {
  const InputFile file(path);
  std::string text(offset < file.size ? std::min<uint64_t>(bytes, file.size - offset) : 0, '\0');
  size_t filled = 0;
  while (filled < text.size()) {
    const ssize_t got = ::pread(file.descriptor.get(), text.data() + filled, text.size() - filled,
                                static_cast<off_t>(offset + filled));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw cannot_read(path, errno);
    if (got == 0) break;
    filled += static_cast<size_t>(got);
  }
  text.resize(filled);
  return text;
}

std::string read_file(const std::string& path, size_t max_bytes) {
  const uint64_t size = file_bytes(path);
  if (size > max_bytes) {
    throw Error(Error::Kind::limit, "cannot read ", path, ": it has ", size, " bytes; at most ", max_bytes,
                " are read for a file of this kind");
  }
  return read_file_part(path, 0, size);
}

std::string checksum_of_file(const std::string& path) {
  constexpr size_t kPiece = 1 << 20;
  uint32_t checksum = 0;
  uint64_t at = 0;
  for (std::string piece; !(piece = read_file_part(path, at, kPiece)).empty(); at += piece.size())
    checksum = crc32c(std::as_bytes(std::span(piece)), checksum);
  char text[32];
  std::snprintf(text, sizeof text, "crc32c %08" PRIx32, checksum);
  return text;
}

}  // namespace sr
