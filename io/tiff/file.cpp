#include "io/tiff/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <mutex>

#include "tensor/error.h"

namespace sr {
namespace {

constexpr size_t kMaxMessageBytes = 600;  // hostile files give thousands of warnings

TIFFExtendProc parent_extender = nullptr;

void add_tags(TIFF* tiff) {
  static char names[][32] = {"ModelPixelScale", "ModelTiepoint",   "ModelTransformation",
                             "GeoKeyDirectory", "GeoDoubleParams", "GeoAsciiParams",
                             "RPCCoefficient",  "GDALMetadata",    "GDALNoData"};
  static const std::array<TIFFFieldInfo, 9> fields = {{
      {kTagModelPixelScale, -1, -1, TIFF_DOUBLE, FIELD_CUSTOM, 1, 1, names[0]},
      {kTagModelTiepoint, -1, -1, TIFF_DOUBLE, FIELD_CUSTOM, 1, 1, names[1]},
      {kTagModelTransformation, -1, -1, TIFF_DOUBLE, FIELD_CUSTOM, 1, 1, names[2]},
      {kTagGeoKeyDirectory, -1, -1, TIFF_SHORT, FIELD_CUSTOM, 1, 1, names[3]},
      {kTagGeoDoubleParams, -1, -1, TIFF_DOUBLE, FIELD_CUSTOM, 1, 1, names[4]},
      {kTagGeoAsciiParams, -1, -1, TIFF_ASCII, FIELD_CUSTOM, 1, 0, names[5]},
      {kTagRpcCoefficient, -1, -1, TIFF_DOUBLE, FIELD_CUSTOM, 1, 1, names[6]},
      {kTagGdalMetadata, -1, -1, TIFF_ASCII, FIELD_CUSTOM, 1, 0, names[7]},
      {kTagGdalNodata, -1, -1, TIFF_ASCII, FIELD_CUSTOM, 1, 0, names[8]},
  }};
  TIFFMergeFieldInfo(tiff, fields.data(), static_cast<uint32_t>(fields.size()));
  if (parent_extender) parent_extender(tiff);
}

// libtiff forgets the fields of a handle at each change of directory; only its process-wide extender lasts.
void register_tags() {
  static std::once_flag once;
  std::call_once(once, [] { parent_extender = TIFFSetTagExtender(add_tags); });
}

void append(std::string& text, const std::string& message) {
  if (message.empty()) return;
  if (text.size() + message.size() > kMaxMessageBytes || text.find(message) != std::string::npos) return;
  if (!text.empty()) text += "; ";
  text += message;
}

std::string formatted(const char* module, const char* format, va_list arguments) {
  char buffer[400];
  std::vsnprintf(buffer, sizeof buffer, format, arguments);
  // One line, without what a hostile file may have put in for the terminal.
  for (char* c = buffer; *c; ++c) {
    if (static_cast<unsigned char>(*c) < ' ' || *c == 127) *c = ' ';
  }
  const bool codec_named = module && !std::strchr(module, '/') && std::strlen(module) < 40;
  return codec_named ? std::string(module) + ": " + buffer : std::string(buffer);
}

// Every file with tags of its maker has these, and they cost nothing.
bool is_unknown_tag(const std::string& warning) {
  return warning.find("nknown field with tag") != std::string::npos;
}

const char* mode_text(TiffFile::Mode mode) {
  switch (mode) {
    case TiffFile::Mode::read:
      return "rm";  // m: no memory map
    case TiffFile::Mode::create:
    case TiffFile::Mode::complete:
    case TiffFile::Mode::memory:
      return "w";
    case TiffFile::Mode::create_big:
    case TiffFile::Mode::complete_big:
      return "w8";
  }
  return "";
}

}  // namespace

struct TiffFile::Callbacks {
  static TiffFile& self(thandle_t handle) { return *static_cast<TiffFile*>(handle); }

  template <class Transfer>
  static tmsize_t move_bytes(TiffFile& file, tmsize_t count, Transfer transfer) {
    tmsize_t done = 0;
    while (done < count) {
      const ssize_t n = transfer(done, static_cast<size_t>(count - done), file.position_);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) file.system_error_ = errno;
      if (n <= 0) break;
      done += n;
      file.position_ += n;
    }
    return done;
  }

  static tmsize_t read(thandle_t handle, void* data, tmsize_t count) {
    TiffFile& file = self(handle);
    return move_bytes(file, count, [&](tmsize_t done, size_t n, int64_t at) {
      return ::pread(file.descriptor_, static_cast<char*>(data) + done, n, at);
    });
  }

  static tmsize_t write(thandle_t handle, void* data, tmsize_t count) {
    TiffFile& file = self(handle);
    if (file.placing_) return count;
    if (file.descriptor_ < 0) {
      const auto* const bytes = static_cast<const std::byte*>(data);
      file.written_.insert(file.written_.end(), bytes, bytes + count);
      file.position_ += count;
      file.size_bytes_ = std::max(file.size_bytes_, file.position_);
      return count;
    }
    return move_bytes(file, count, [&](tmsize_t done, size_t n, int64_t at) {
      return ::pwrite(file.descriptor_, static_cast<const char*>(data) + done, n, at);
    });
  }

  static toff_t seek(thandle_t handle, toff_t offset, int whence) {
    TiffFile& file = self(handle);
    if (file.placing_) return static_cast<toff_t>(file.placed_at_);
    const int64_t base = whence == SEEK_SET   ? 0
                         : whence == SEEK_CUR ? file.position_
                                              : static_cast<int64_t>(size(handle));
    int64_t target = 0;
    if (__builtin_add_overflow(base, static_cast<int64_t>(offset), &target) || target < 0) {
      errno = EINVAL;
      return static_cast<toff_t>(-1);
    }
    file.position_ = target;
    return static_cast<toff_t>(target);
  }

  static toff_t size(thandle_t handle) {
    if (self(handle).descriptor_ < 0) return static_cast<toff_t>(self(handle).size_bytes_);
    struct stat status {};
    return ::fstat(self(handle).descriptor_, &status) == 0 ? static_cast<toff_t>(status.st_size) : 0;
  }

  static int close(thandle_t) { return 0; }  // the descriptor is the TiffFile's own

  static int error(TIFF*, void* file, const char* module, const char* format, va_list arguments) {
    append(static_cast<TiffFile*>(file)->errors_, formatted(module, format, arguments));
    return 1;
  }

  static int warning(TIFF*, void* file, const char* module, const char* format, va_list arguments) {
    TiffFile& self = *static_cast<TiffFile*>(file);
    const std::string text = formatted(module, format, arguments);
    if (!is_unknown_tag(text)) append(self.warnings_, text);
    return 1;
  }
};

TiffFile::TiffFile(const std::string& path, Mode mode, int64_t max_allocation) : path_(path) {
  register_tags();
  if (mode != Mode::memory) open_descriptor(mode);
  const std::unique_ptr<TIFFOpenOptions, void (*)(TIFFOpenOptions*)> options(TIFFOpenOptionsAlloc(),
                                                                             TIFFOpenOptionsFree);
  TIFFOpenOptionsSetMaxSingleMemAlloc(options.get(), max_allocation);
  TIFFOpenOptionsSetErrorHandlerExtR(options.get(), Callbacks::error, this);
  TIFFOpenOptionsSetWarningHandlerExtR(options.get(), Callbacks::warning, this);
  tiff_ =
      TIFFClientOpenExt(path.c_str(), mode_text(mode), this, Callbacks::read, Callbacks::write,
                        Callbacks::seek, Callbacks::close, Callbacks::size, nullptr, nullptr, options.get());
  if (tiff_) return;
  if (descriptor_ >= 0) ::close(descriptor_);
  if (mode != Mode::read) throw Error(Error::Kind::io, "creating '", path, "': ", take_messages());
  if (size_bytes_ == 0) throw Error(Error::Kind::format, "reading '", path, "': the file is empty");
  const std::string reason = take_messages();
  if (reason.find("different values per sample") != std::string::npos) {
    throw Error(Error::Kind::unsupported, "reading '", path, "': its bands differ in sample type: ", reason);
  }
  throw Error(Error::Kind::format, "reading '", path, "': not a TIFF, or damaged: ", reason);
}

void TiffFile::open_descriptor(Mode mode) {
  const bool reading = mode == Mode::read;
  struct stat status {};
  // Asked before opening, which would wait for ever on a named pipe.
  if (::stat(path_.c_str(), &status) == 0 && !S_ISREG(status.st_mode)) {
    throw Error(Error::Kind::io, "opening '", path_, "': it is a ",
                S_ISDIR(status.st_mode) ? "folder" : "device or pipe", "; a regular file is needed");
  }
  const bool anew = mode == Mode::create || mode == Mode::create_big;
  descriptor_ = reading ? ::open(path_.c_str(), O_RDONLY | O_CLOEXEC)
                        : ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | (anew ? O_TRUNC : 0), 0666);
  if (descriptor_ < 0) {
    throw Error(Error::Kind::io, reading ? "opening '" : "creating '", path_, "': ", std::strerror(errno));
  }
  size_bytes_ = static_cast<int64_t>(Callbacks::size(this));
}

TiffFile::~TiffFile() {
  if (tiff_) TIFFClose(tiff_);
  if (descriptor_ >= 0) ::close(descriptor_);
}

void TiffFile::read_at(int64_t offset, std::span<std::byte> bytes) {
  position_ = offset;
  const auto wanted = static_cast<tmsize_t>(bytes.size());
  if (Callbacks::read(this, bytes.data(), wanted) == wanted) return;
  if (system_error_) throw Error(Error::Kind::io, "reading '", path_, "': ", take_messages());
  throw Error(Error::Kind::format, "reading '", path_, "': ", wanted, " bytes at offset ", offset,
              " lie beyond the end of the file: it is truncated");
}

bool TiffFile::write_at(int64_t offset, std::span<const std::byte> bytes) {
  position_ = offset;
  const auto count = static_cast<tmsize_t>(bytes.size());
  return Callbacks::write(this, const_cast<std::byte*>(bytes.data()), count) == count;
}

int64_t TiffFile::length() {
  return static_cast<int64_t>(Callbacks::size(this));
}

// libtiff appends a tile where it finds the file's end, and looks at no byte of it.
bool TiffFile::place_tile(uint32_t index, int64_t offset, int64_t bytes) {
  std::byte none{};
  placing_ = true, placed_at_ = offset;
  const bool placed = TIFFWriteRawTile(tiff_, index, &none, bytes) == bytes;
  placing_ = false;
  return placed;
}

std::string TiffFile::take_messages() {
  std::string text;
  if (system_error_) text = std::strerror(system_error_);
  append(text, errors_.empty() ? warnings_ : errors_);
  system_error_ = 0;
  errors_.clear();
  warnings_.clear();
  return text;
}

void TiffFile::close() {
  if (TIFFGetMode(tiff_) != O_RDONLY) TIFFFlush(tiff_);
  TIFFClose(tiff_);
  tiff_ = nullptr;
  const int failed = ::close(descriptor_);
  if (failed) system_error_ = errno;
  descriptor_ = -1;
  if (failed || has_error()) throw Error(Error::Kind::io, "writing '", path_, "': ", take_messages());
}

}  // namespace sr
