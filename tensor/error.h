// The one exception of the project.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>

namespace sr {

/// What went wrong, for programs (kind) and people (what). The text has the form
/// "what was asked: what is wrong, with the values; what would fit". The library never prints and never
/// exits.
class Error : public std::runtime_error {
 public:
  /// What went wrong.
  enum class Kind {
    usage,        ///< arguments that contradict each other or the files
    shape,        ///< tensors that do not fit together
    device,       ///< device missing, or tensors on different devices
    io,           ///< the operating system refused: missing, unwritable, full
    format,       ///< a file is not what it claims to be: truncated, corrupted, foreign
    unsupported,  ///< a valid file of a kind that is not handled
    limit,        ///< more memory or more elements than allowed
    stopped       ///< nothing is wrong: the program is to stop (stop.h)
  };

  /// The parts are streamed one after the other into the text.
  template <class... Parts>
  explicit Error(Kind kind, const Parts&... parts) : std::runtime_error(join(parts...)), kind_(kind) {}

  Kind kind() const { return kind_; }  ///< what went wrong, for programs

 private:
  template <class... Parts>
  static std::string join(const Parts&... parts) {
    std::ostringstream text;
    (text << ... << parts);
    return text.str();
  }

  Kind kind_;
};

}  // namespace sr
