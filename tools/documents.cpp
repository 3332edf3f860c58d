#include "tools/documents.h"

#include <algorithm>
#include <cctype>
#include <sstream>
#include <string_view>
#include <vector>

#include "tools/version.h"

namespace sr {
namespace {

using Options = std::vector<const CLI::Option*>;

std::string joined(const std::vector<std::string>& parts, const std::string& between) {
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : between) + part;
  return text;
}

bool takes_value(const CLI::Option& option) {
  return option.get_items_expected_max() > 0;
}

// "TEXT", "INT", "FLOAT": what stands for the value in --help, where validators' words follow after a colon.
std::string placeholder(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  return type.substr(0, type.find(':'));
}

// "{none,lzw}", "[2 - 4]"; CLI::Range says the type again.
std::string validator(const CLI::Option& option) {
  std::string words = option.get_type_name();
  words.erase(0, placeholder(option).size() + 1);
  return words.starts_with(placeholder(option) + " in ") ? words.substr(words.find('[')) : words;
}

std::vector<std::string> choices(const CLI::Option& option) {
  const std::string text = validator(option);
  std::vector<std::string> all;
  if (!text.starts_with('{') || !text.ends_with('}')) return all;
  std::istringstream in(text.substr(1, text.size() - 2));
  for (std::string choice; std::getline(in, choice, ',');) all.push_back(choice);
  return all;
}

Options in_group(const CLI::App& app, const std::string& group) {
  return app.get_options([&](const CLI::Option* option) { return option->get_group() == group; });
}

// Those that --help shows: a group without a name is hidden.
Options shown(const CLI::App& app) {
  return app.get_options([](const CLI::Option* option) { return !option->get_group().empty(); });
}

constexpr const char* kExitStatus =
    ".SH EXIT STATUS\n.TP\n0\ndone\n"
    ".TP\n1\nfailed, or some of the images did; each has a line on the error stream\n"
    ".TP\n2\nwrong usage\n";

constexpr const char* kWeights =
    "Seen from the folder of the programs: the weights that came with them, in x2/ckpts, x3/ckpts and "
    "x4/ckpts. eval_superres_net and score_superres_net take them where --pretrained_path is not given.";

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '\\':
        out += "\\e";
        break;
      case '-':
        out += "\\-";
        break;  // else it may be shown as a hyphen, which nobody can paste
      case '\'':
        out += "\\(aq";
        break;
      case '`':
        out += "\\(ga";
        break;
      case '^':
        out += "\\(ha";
        break;
      case '~':
        out += "\\(ti";
        break;
      default:
        out += c;
    }
  }
  return out;
}

// Lines of text: of a page's width, a sentence begins a line, and none looks like a request.
std::string paragraph(const std::string& text) {
  constexpr size_t kWidth = 78;
  std::istringstream words(text);
  std::string out, line;
  for (std::string word; words >> word;) {
    const bool ends = word.ends_with('.');
    word = escaped(word);
    if (!line.empty() && line.size() + 1 + word.size() > kWidth) {
      out += line + "\n";
      line.clear();
    }
    line += line.empty() ? (word.starts_with('.') ? "\\&" : "") + word : " " + word;
    if (ends) {
      out += line + "\n";
      line.clear();
    }
  }
  return line.empty() ? out : out + line + "\n";
}

// --level INT, a list with dots behind it; what has no name but its place.
std::string usage(const CLI::Option& option) {
  if (option.get_positional()) return "\\fI" + escaped(option.get_name(true)) + "\\fR...";
  std::string text = "\\fB" + escaped(option.get_name(false, true)) + "\\fR";
  if (takes_value(option)) text += " \\fI" + escaped(placeholder(option)) + "\\fR";
  return option.get_items_expected_max() > 1 ? text + "..." : text;
}

std::vector<std::string> names(const std::set<CLI::Option*>& options) {
  std::vector<std::string> all;
  for (const CLI::Option* option : options) all.push_back(option->get_name());
  std::ranges::sort(all);  // the set's order is that of addresses
  return all;
}

// "required", "one of a, b", "[2 - 4]", "default 2", "needs --x", "not with --y".
std::string conditions(const CLI::Option& option) {
  std::vector<std::string> all;
  if (option.get_required()) all.push_back("required");
  if (takes_value(option)) {
    const std::vector<std::string> words = choices(option);
    if (!words.empty()) all.push_back("one of " + joined(words, ", "));
    if (words.empty() && !validator(option).empty()) all.push_back(validator(option));
    if (!option.get_default_str().empty()) all.push_back("default " + option.get_default_str());
  }
  if (const auto needed = names(option.get_needs()); !needed.empty())
    all.push_back("needs " + joined(needed, ", "));
  if (const auto excluded = names(option.get_excludes()); !excluded.empty())
    all.push_back("not with " + joined(excluded, ", "));
  return all.empty() ? "" : " (" + joined(all, "; ") + ")";
}

std::string options_section(const CLI::App& app) {
  std::string text = ".SH OPTIONS\n";
  for (const std::string& group : app.get_groups()) {
    if (group.empty()) continue;
    if (group != "Options") text += ".SS " + escaped(group) + "\n";
    for (const CLI::Option* option : in_group(app, group))
      text += ".TP\n" + usage(*option) + "\n" + paragraph(option->get_description() + conditions(*option));
  }
  return text;
}

// "A does b." as the words behind a name.
std::string purpose(const CLI::App& app) {
  std::string text = app.get_description();
  if (text.ends_with('.')) text.pop_back();
  text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
  return text;
}

std::string synopsis(const CLI::App& app) {
  std::string text = ".SH SYNOPSIS\n.B " + escaped(app.get_name()) + "\n";
  for (const CLI::Option* option : shown(app))
    if (option->get_required()) text += usage(*option) + "\n";
  return text + "[\\fIOPTION\\fR]...\n";
}

std::string see_also(const CLI::App& app) {
  std::vector<std::string> others;
  std::istringstream programs(SR_PROGRAMS);
  for (std::string name; programs >> name;)
    if (name != app.get_name()) others.push_back(".BR " + escaped(name) + " (1)");
  return ".SH SEE ALSO\n" + joined(others, " ,\n") + "\n";
}

}  // namespace

std::string man_page(const CLI::App& app) {
  std::string title = app.get_name();
  std::ranges::transform(title, title.begin(),
                         [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return ".TH " + escaped(title) + " 1 " + kCommitDate +
         " \"superres " SR_VERSION "\" \"User Commands\"\n.nh\n.ad l\n" + ".SH NAME\n" +
         escaped(app.get_name()) + " \\-\n" + paragraph(purpose(app)) + synopsis(app) + ".SH DESCRIPTION\n" +
         paragraph(app.get_description()) + options_section(app) + kExitStatus +
         ".SH FILES\n.TP\n.I ../share/superres/pretrained\n" + paragraph(kWeights) + see_also(app);
}

std::string bash_completion(const CLI::App& app) {
  std::vector<std::string> all, numbers, texts;
  std::string cases;
  for (const CLI::Option* option : shown(app)) {
    if (option->get_positional()) continue;  // bash completes files
    const std::string name = option->get_name();
    all.push_back(name);
    if (!takes_value(*option)) continue;
    auto words = choices(*option);
    std::erase_if(words,
                  [](const std::string& word) { return std::ranges::any_of(word, isupper); });  // cuda:N
    if (!words.empty())
      cases += "    " + name + ") words='" + joined(words, " ") + "' ;;\n";
    else
      (placeholder(*option) == "TEXT" ? texts : numbers).push_back(name);
  }
  if (!texts.empty()) cases += "    " + joined(texts, "|") + ") return ;;\n";
  if (!numbers.empty())
    cases += "    " + joined(numbers, "|") + ") compopt +o default 2>/dev/null; return 0 ;;\n";
  const std::string function = "_" + app.get_name();
  return "# Completion of " + app.get_name() +
         " for bash, made from its options. Where it has no words, bash " + "completes files.\n" + function +
         R"(() {
  local before=$((COMP_CWORD - 1)) current=${COMP_WORDS[COMP_CWORD]}
  [ "$current" = = ] && current=  # --option=value is three words
  [ "${COMP_WORDS[before]}" = = ] && before=$((before - 1))
  local words=')" +
         joined(all, " ") + R"('
  COMPREPLY=()
  case ${COMP_WORDS[before]} in
)" + cases +
         R"(  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}
complete -o bashdefault -o default -F )" +
         function + " " + app.get_name() + "\n";
}

}  // namespace sr
