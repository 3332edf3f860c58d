// Little-endian numbers in memory, read and written with every length checked.
#pragma once

#include <bit>
#include <cstddef>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "tensor/error.h"

namespace sr {

// The project's files are little-endian, and so is every machine it runs on: numbers are copied as they are.
static_assert(std::endian::native == std::endian::little);

template <class T>
concept PlainNumber = std::is_arithmetic_v<T>;

/// Reads from bytes that somebody else keeps. Never reads past their end: whatever asks for more than there
/// is throws Error(format), with `what` (the file's name) in front.
class ByteReader {
 public:
  ByteReader(std::span<const std::byte> bytes, std::string what) : bytes_(bytes), what_(std::move(what)) {}

  size_t position() const { return position_; }
  size_t left() const { return bytes_.size() - position_; }

  /// The next `count` bytes; they are passed over.
  std::span<const std::byte> take(size_t count) {
    if (count > left()) {
      throw Error(Error::Kind::format, what_, ": truncated: ", count, " bytes wanted at byte ", position_,
                  ", ", left(), " are left");
    }
    const auto part = bytes_.subspan(position_, count);
    position_ += count;
    return part;
  }

  template <PlainNumber T>
  T number() {
    T value;
    std::memcpy(&value, take(sizeof(T)).data(), sizeof(T));
    return value;
  }

  /// Fills `to` with the next numbers.
  template <PlainNumber T>
  void numbers(std::span<T> to) {
    const auto from = take(to.size_bytes());
    if (!to.empty()) std::memcpy(to.data(), from.data(), from.size());
  }

  std::string_view text(size_t length) {
    const auto part = take(length);
    return {reinterpret_cast<const char*>(part.data()), part.size()};
  }

 private:
  std::span<const std::byte> bytes_;
  size_t position_ = 0;
  std::string what_;
};

/// Collects bytes.
class ByteWriter {
 public:
  std::span<const std::byte> bytes() const { return bytes_; }

  void append(std::span<const std::byte> part) { bytes_.insert(bytes_.end(), part.begin(), part.end()); }
  void append(std::string_view text) { append(std::as_bytes(std::span(text))); }

  template <PlainNumber T>
  void number(T value) {
    append(std::as_bytes(std::span(&value, 1)));
  }

  template <PlainNumber T>
  void numbers(std::span<const T> values) {
    append(std::as_bytes(values));
  }

  /// Zeros up to the next multiple of `alignment` bytes.
  void align(size_t alignment) { bytes_.resize((bytes_.size() + alignment - 1) / alignment * alignment); }

 private:
  std::vector<std::byte> bytes_;
};

}  // namespace sr
