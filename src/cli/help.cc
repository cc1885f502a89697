#include <algorithm>
#include <set>

#include "base/text.h"
#include "cli/command.h"

namespace slip::cli {
namespace {

std::string padded(std::string text, size_t width) {
  text.resize(std::max(text.size(), width), ' ');
  return text;
}

std::string option_usage(const Option& o) {
  return concat({"--", o.name, o.value.empty() ? "" : " ", o.value});
}

std::string synopsis(const Command& c) {
  std::string out = "slipway " + c.path;
  for (const Argument& a : c.arguments)
    out += a.rest ? " -- " + a.name + "…" : a.required ? " " + a.name : " [" + a.name + "]";
  for (const Option& o : c.options)
    if (o.required) out += " " + option_usage(o);
  return out;
}

void list(std::string* out, std::string_view title,
          const std::vector<std::pair<std::string, std::string>>& rows) {
  if (rows.empty()) return;
  size_t width = 0;
  for (const auto& [left, right] : rows) width = std::max(width, left.size());
  *out += concat({"\n", title, ":\n"});
  for (const auto& [left, right] : rows)
    *out += concat({"  ", padded(left, width), "  ", right, "\n"});
}

std::vector<std::pair<std::string, std::string>> option_rows(const std::vector<Option>& options) {
  std::vector<std::pair<std::string, std::string>> rows;
  for (const Option& o : options) rows.emplace_back(option_usage(o), o.doc);
  return rows;
}

// The words that may follow each prefix of a command: "" → serve, model …; "model" → list, show ….
std::map<std::string, std::set<std::string>> next_words(const std::vector<Command>& commands) {
  std::map<std::string, std::set<std::string>> out;
  for (const Command& c : commands) {
    std::string prefix;
    for (const std::string_view part : split(c.path, ' ')) {
      out[prefix].emplace(part);
      prefix += prefix.empty() ? std::string(part) : concat({" ", part});
    }
  }
  return out;
}

std::string joined(const std::set<std::string>& words) {
  return join(std::vector<std::string>(words.begin(), words.end()), " ");
}

}  // namespace

std::string Commands::help() const {
  std::string out =
      "Slipway takes a model from data to production and keeps it healthy there.\n\n"
      "usage: slipway COMMAND [arguments]\n";
  std::vector<std::pair<std::string, std::string>> rows;
  for (const Command& c : commands_) rows.emplace_back(c.path, c.summary);
  list(&out, "commands", rows);
  list(&out, "options of every command", option_rows(common_));
  out += "\nslipway help COMMAND says more; slipway help exit-codes lists what exit codes mean.\n";
  return out;
}

std::string Commands::help(const Command& command) const {
  std::string out = concat({command.summary, "\n\nusage: ", synopsis(command), " [options]\n"});
  std::vector<std::pair<std::string, std::string>> arguments;
  for (const Argument& a : command.arguments) arguments.emplace_back(a.name, a.doc);
  list(&out, "arguments", arguments);
  list(&out, "options", option_rows(command.options));
  list(&out, "options of every command", option_rows(common_));
  if (!command.details.empty()) out += concat({"\n", command.details, "\n"});
  return out;
}

std::string Commands::group_help(std::string_view group) const {
  std::vector<std::pair<std::string, std::string>> rows;
  const std::string prefix = std::string(group) + " ";
  for (const Command& c : commands_)
    if (c.path.starts_with(prefix)) rows.emplace_back(c.path, c.summary);
  if (rows.empty()) return {};
  std::string out = concat({"usage: slipway ", group, " COMMAND [arguments]\n"});
  list(&out, "commands", rows);
  return out;
}

Result<std::string> Commands::completion(std::string_view shell) const {
  std::string out;
  std::set<std::string> all;
  for (const Option& o : common_) all.insert("--" + o.name);
  if (shell == "bash" || shell == "zsh") {
    if (shell == "zsh") out += "#compdef slipway\nautoload -U +X bashcompinit && bashcompinit\n";
    out +=
        "_slipway() {\n  local path=\"\" word i\n"
        "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
        "    word=\"${COMP_WORDS[i]}\"\n"
        "    [[ $word == -* ]] || path=\"${path:+$path }$word\"\n  done\n"
        "  local words\n  case \"$path\" in\n";
    for (const auto& [prefix, words] : next_words(commands_))
      out += concat({"    \"", prefix, "\") words=\"", joined(words), "\" ;;\n"});
    for (const Command& c : commands_) {
      std::set<std::string> options = all;
      for (const Option& o : c.options) options.insert("--" + o.name);
      out += concat({"    \"", c.path, "\"*) words=\"", joined(options), "\" ;;\n"});
    }
    out +=
        "  esac\n  COMPREPLY=($(compgen -f -W \"$words\" -- \"${COMP_WORDS[COMP_CWORD]}\"))\n}\n"
        "complete -F _slipway slipway\n";
    return out;
  }
  if (shell != "fish") return invalid("usage.shell", "completion knows bash, zsh and fish");
  for (const Command& c : commands_) {
    const std::vector<std::string_view> parts = split(c.path, ' ');
    const std::string when = parts.size() == 1 ? std::string("__fish_use_subcommand")
                                               : concat({"__fish_seen_subcommand_from ", parts[0]});
    out += concat({"complete -c slipway -f -n '", when, "' -a ", parts.back(), "\n"});
    for (const Option& o : c.options)
      out += concat({"complete -c slipway -n '__fish_seen_subcommand_from ", parts.back(), "' -l ",
                     o.name, o.value.empty() ? "" : " -r", "\n"});
  }
  for (const Option& o : common_)
    out += concat({"complete -c slipway -l ", o.name, o.value.empty() ? "" : " -r", "\n"});
  return out;
}

}  // namespace slip::cli
