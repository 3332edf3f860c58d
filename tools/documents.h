// Man page and completion of a program, made from the options that --help prints.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace sr {

/// Of section 1, in the man macros. `description` is that of --help: a sentence.
std::string man_page(const CLI::App& app);

/// For bash: a function that completes options, choices of options that have some, and files elsewhere.
std::string bash_completion(const CLI::App& app);

}  // namespace sr
