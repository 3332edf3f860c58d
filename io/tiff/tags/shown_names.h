// Names out of files in the notes that people read.
#pragma once

#include <string>
#include <vector>

namespace sr {

/// Without what a hostile file may hold for the terminal.
std::string printable(std::string text);

/// "a, b, c"
std::string joined(const std::vector<std::string>& names);

/// "a, b, c, and 4 more": the first six.
std::string some_of(std::vector<std::string> names);

}  // namespace sr
