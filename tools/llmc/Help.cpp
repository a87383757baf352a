#include "tools/llmc/Help.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

#include <vector>

namespace llmc::tool {

namespace {

constexpr size_t kColumns = 80;
/// Where descriptions begin.
constexpr size_t kIndent = 28;

/// One entry: its name, then the description, wrapped.
std::string entry(const std::string &name, const std::string &description) {
  std::string text, line = absl::StrCat("  ", name);
  if (line.size() + 2 > kIndent) {
    absl::StrAppend(&text, line, "\n");
    line.clear();
  }
  line.resize(kIndent, ' ');
  bool lineIsEmpty = true;
  for (absl::string_view word : absl::StrSplit(description, ' ')) {
    if (!lineIsEmpty && line.size() + 1 + word.size() > kColumns) {
      absl::StrAppend(&text, line, "\n");
      line.assign(kIndent, ' ');
      lineIsEmpty = true;
    }
    absl::StrAppend(&line, lineIsEmpty ? "" : " ", word);
    lineIsEmpty = false;
  }
  absl::StrAppend(&text, line, "\n");
  return text;
}

std::string optionName(const CLI::Option &option) {
  std::string names = absl::StrJoin(absl::StrSplit(option.get_name(false, true), ','), ", ");
  return option.get_type_size() == 0 ? names : absl::StrCat(names, " ", option.get_option_text());
}

/// What stands for a positional option in the usage line.
std::string positionalUsage(const CLI::Option &option) {
  std::string name = option.get_expected_max() > 1 ? absl::StrCat(option.get_name(true, false), "...")
                                                   : option.get_name(true, false);
  return option.get_required() ? name : absl::StrCat("[", name, "]");
}

std::string usage(const CLI::App &app, const std::vector<const CLI::Option *> &positionals) {
  std::string command = app.get_name();
  for (const CLI::App *parent = app.get_parent(); parent != nullptr; parent = parent->get_parent())
    command = absl::StrCat(parent->get_name(), " ", command);
  std::string text = absl::StrCat("Usage: ", command);
  bool hasCommands = !app.get_subcommands({}).empty();
  absl::StrAppend(&text, hasCommands ? " SUBCOMMAND" : "", " [OPTIONS]");
  for (const CLI::Option *option : positionals)
    absl::StrAppend(&text, " ", positionalUsage(*option));
  return absl::StrCat(text, "\n\n", app.get_description(), "\n");
}

} // namespace

std::string HelpFormatter::make_help(const CLI::App *app, std::string, CLI::AppFormatMode) const {
  auto positionals = app->get_options([](const CLI::Option *option) { return option->get_positional(); });
  std::string text = usage(*app, positionals);
  if (!positionals.empty())
    absl::StrAppend(&text, "\nArguments:\n");
  for (const CLI::Option *option : positionals)
    absl::StrAppend(&text, entry(option->get_name(true, false), option->get_description()));

  auto commands = app->get_subcommands([](const CLI::App *) { return true; });
  if (!commands.empty())
    absl::StrAppend(&text, "\nSubcommands:\n");
  for (const CLI::App *command : commands)
    absl::StrAppend(&text, entry(command->get_name(), command->get_description()));

  for (const std::string &group : app->get_groups()) {
    auto options = app->get_options(
        [&](const CLI::Option *option) { return option->nonpositional() && option->get_group() == group; });
    if (options.empty() || group.empty())
      continue;
    absl::StrAppend(&text, "\n", group, ":\n");
    for (const CLI::Option *option : options)
      absl::StrAppend(&text, entry(optionName(*option), option->get_description()));
  }
  if (!app->get_footer().empty())
    absl::StrAppend(&text, "\n", app->get_footer(), "\n");
  return text;
}

} // namespace llmc::tool
