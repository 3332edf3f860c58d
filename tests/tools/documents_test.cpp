// Man pages, completions and --version: what the build makes of the programs' options, and of the sources'
// commit.
#include <gtest/gtest.h>

#include <filesystem>
#include <regex>
#include <set>

#include "tests/support/run_program.h"

namespace sr {
namespace {

namespace fs = std::filesystem;

const std::string kShare = fs::path(SR_BIN_DIR).parent_path() / "share";
constexpr const char* kPrograms[] = {"eval_superres_net",       "score_superres_net", "train_superres_net",
                                     "create_training_dataset", "convert_checkpoint", "make_scene",
                                     "superres_merge"};

std::string man_file(const std::string& program) {
  return kShare + "/man/man1/" + program + ".1";
}

std::set<std::string> options_in(const std::string& text) {
  static const std::regex kOption("--[a-zA-Z_]+");
  return {std::sregex_token_iterator(text.begin(), text.end(), kOption), {}};
}

TEST(ManPage, HasTheOptionsOfHelp) {
  for (const std::string program : kPrograms) {
    const std::set<std::string> all = options_in(run_program(program, {"--help"}).out);
    EXPECT_GE(all.size(), 7U) << program;
    std::string page = text_of_file(man_file(program));
    for (size_t at = 0; (at = page.find("\\-", at)) != std::string::npos;) page.erase(at, 1);
    for (const std::string& option : all) EXPECT_TRUE(options_in(page).contains(option)) << program << option;
    for (const char* section : {"NAME", "SYNOPSIS", "OPTIONS", "EXIT STATUS", "FILES", "SEE ALSO"})
      EXPECT_NE(page.find(std::string("\n.SH ") + section + "\n"), std::string::npos) << program << section;
  }
}

TEST(ManPage, IsCleanForMan) {
  if (run_program("man", {"--version"}).status != 0) GTEST_SKIP() << "there is no man";
  for (const std::string program : kPrograms) {
    const ProgramRun shown = run_program("man", {"--warnings", "-E", "UTF-8", "-l", man_file(program)});
    EXPECT_EQ(shown.status, 0) << program;
    EXPECT_EQ(shown.err, "") << program;
    EXPECT_NE(shown.out.find("--threads INT"), std::string::npos) << shown.out;
  }
}

// What bash has in COMPREPLY after "PROGRAM WORDS..." and tab.
std::string completed(const std::string& program, const std::string& words) {
  const std::string script =
      "source " + kShare + "/bash-completion/completions/" + program + " && COMP_WORDS=(" + program + " " +
      words + ") && COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) && _" + program + " && echo \"${COMPREPLY[*]}\"";
  const ProgramRun run = run_program("bash", {"-euc", script});
  EXPECT_EQ(run.status, 0) << script << run.err;
  EXPECT_EQ(run.err, "");
  return run.out;
}

TEST(Completion, HasTheOptionsOfHelp) {
  for (const std::string program : kPrograms)
    EXPECT_EQ(options_in(completed(program, "--")),
              options_in(std::regex_replace(run_program(program, {"--help"}).out,
                                            std::regex("(Needs|Excludes):|the same as --loss ssim"), "")))
        << program;
}

TEST(Completion, KnowsWhatAnOptionMayBe) {
  EXPECT_EQ(completed("eval_superres_net", "--data_path x --comp"), "--compress\n");
  EXPECT_EQ(completed("eval_superres_net", "--compress ''"), "none lzw deflate zstd jpeg lerc\n");
  EXPECT_EQ(completed("eval_superres_net", "--compress l"), "lzw lerc\n");
  EXPECT_EQ(completed("eval_superres_net", "--compress = l"), "lzw lerc\n");  // as bash cuts --compress=l
  EXPECT_EQ(completed("eval_superres_net", "--compress ="), "none lzw deflate zstd jpeg lerc\n");
  EXPECT_EQ(completed("eval_superres_net", "--device c"), "cpu cuda\n");
  EXPECT_EQ(completed("make_scene", "--device c"), "cpu\n");
  EXPECT_EQ(completed("train_superres_net", "--loss ''"), "l1 l2 ssim\n");
}

// Where the function has no words, bash completes files (complete -o default), with its own care for spaces
// and ~.
TEST(Completion, LeavesFilesToBash) {
  EXPECT_EQ(completed("eval_superres_net", "--data_path ''"), "\n");
  EXPECT_EQ(completed("eval_superres_net", "--threads ''"), "\n");
  const ProgramRun known = run_program(
      "bash",
      {"-euc", "source " + kShare + "/bash-completion/completions/make_scene && complete -p make_scene"});
  EXPECT_EQ(known.out, "complete -o bashdefault -o default -F _make_scene make_scene\n");
}

}  // namespace
}  // namespace sr
