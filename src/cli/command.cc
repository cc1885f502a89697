#include "cli/command.h"

#include <algorithm>

#include "base/error_map.h"
#include "base/text.h"
#include "codec/json.h"

namespace slip::cli {
namespace {

constexpr size_t kNearMax = 2;   // Edits away from what was meant.
constexpr char kBetween = '\n';  // Values of an option that was given several times.

Error usage(std::string_view reason, std::string text) {
  return invalid(concat({"usage.", reason}), std::move(text));
}

std::string nearest(std::string_view word, const std::vector<std::string>& known) {
  std::string best;
  size_t distance = kNearMax + 1;
  for (const std::string& k : known) {
    const size_t d = edit_distance(word, k);
    if (d < distance && d < word.size()) distance = d, best = k;
  }
  return best;
}

size_t word_count(std::string_view path) {
  return static_cast<size_t>(std::count(path.begin(), path.end(), ' ')) + 1;
}

bool starts_with_words(const std::vector<std::string>& words, std::string_view path) {
  const std::vector<std::string_view> parts = split(path, ' ');
  if (words.size() < parts.size()) return false;
  for (size_t i = 0; i < parts.size(); ++i)
    if (words[i] != parts[i]) return false;
  return true;
}

}  // namespace

bool Call::on(std::string_view option) const { return text(option) == "on"; }

std::string Call::text(std::string_view option, std::string_view fallback) const {
  const auto at = options.find(option);
  return at == options.end() ? std::string(fallback) : at->second;
}

std::vector<std::string> Call::list(std::string_view option) const {
  std::vector<std::string> out;
  const std::string all = text(option);
  if (all.empty()) return out;
  for (const std::string_view one : split(all, kBetween)) out.emplace_back(one);
  return out;
}

Result<std::optional<int64_t>> Call::number(std::string_view option) const {
  if (!has(option)) return std::optional<int64_t>();
  const std::optional<int64_t> n = parse_int(text(option));
  if (!n) return usage("number", concat({"--", option, " wants a whole number"}));
  return n;
}

std::string Call::argument(size_t index) const {
  return index < arguments.size() ? arguments[index] : std::string();
}

void Commands::add(Command command) {
  CHECK(find(command.path) == nullptr);
  commands_.push_back(std::move(command));
}

const Command* Commands::find(std::string_view path) const {
  for (const Command& c : commands_)
    if (c.path == path) return &c;
  return nullptr;
}

Commands::Parsed Commands::match(const std::vector<std::string>& words) const {
  Parsed best;
  for (const Command& c : commands_) {
    const size_t n = word_count(c.path);
    if (n > best.used && starts_with_words(words, c.path)) best = {&c, n};
  }
  return best;
}

const Option* Commands::option(const Command& command, std::string_view name) const {
  for (const std::vector<Option>* rows : {&command.options, &common_})
    for (const Option& o : *rows)
      if (o.name == name) return &o;
  return nullptr;
}

Error Commands::unknown_command(const std::vector<std::string>& words) const {
  std::vector<std::string> known;
  const bool in_group = words.size() > 1 && !group_help(words[0]).empty();
  for (const Command& c : commands_) {
    const std::vector<std::string_view> parts = split(c.path, ' ');
    if (!in_group) known.emplace_back(parts[0]);
    if (in_group && parts.size() > 1 && parts[0] == words[0]) known.emplace_back(parts[1]);
  }
  const std::string& wrong = in_group ? words[1] : words[0];
  Error error =
      usage("unknown_command",
            concat({"no command '", in_group ? words[0] : "", in_group ? " " : "", wrong, "'"}));
  const std::string near = nearest(wrong, known);
  if (near.empty()) return std::move(error).with_hint("slipway help lists the commands");
  return std::move(error).with_hint(
      concat({"did you mean slipway ", in_group ? words[0] : "", in_group ? " " : "", near, "?"}));
}

Result<Call> Commands::parse(const Command& command, const std::vector<std::string>& words,
                             Terminal& terminal) const {
  Call call{terminal, {}, {}};
  bool only_arguments = false;
  for (size_t i = 0; i < words.size(); ++i) {
    const bool out = words[i] == "-o" && option(command, "out") != nullptr;
    const std::string word = out && !only_arguments ? "--out" : words[i];
    if (only_arguments || !word.starts_with("--")) {
      call.arguments.push_back(word);
      continue;
    }
    if (word == "--") {
      only_arguments = true;
      continue;
    }
    const size_t equals = word.find('=');
    std::string name = word.substr(2, equals == word.npos ? word.npos : equals - 2);
    const Option* o = option(command, name);
    bool off = false;
    if (o == nullptr && name.starts_with("no-")) {
      o = option(command, name.substr(3));
      off = o != nullptr && o->value.empty();
      if (off) name = name.substr(3);
    }
    if (o == nullptr || (name.starts_with("no-") && !off && o->name != name)) {
      std::vector<std::string> known;
      for (const std::vector<Option>* rows : {&command.options, &common_})
        for (const Option& k : *rows) known.push_back(k.name);
      Error error = usage("unknown_option", concat({"slipway ", command.path, " has no ", word}));
      const std::string near = nearest(name, known);
      if (near.empty()) return std::move(error).with_hint(concat({"slipway help ", command.path}));
      return std::move(error).with_hint(concat({"did you mean --", near, "?"}));
    }
    if (o->value.empty()) {
      call.options[name] = off ? "off" : (equals == word.npos ? "on" : word.substr(equals + 1));
      continue;
    }
    if (equals == word.npos && i + 1 == words.size())
      return usage("value_missing", concat({"--", name, " wants ", o->value}));
    const std::string value = equals == word.npos ? words[++i] : word.substr(equals + 1);
    std::string& kept = call.options[name];
    kept = o->many && !kept.empty() ? concat({kept, std::string_view(&kBetween, 1), value}) : value;
  }
  const bool takes_rest = !command.arguments.empty() && command.arguments.back().rest;
  if (call.arguments.size() > command.arguments.size() && !takes_rest)
    return usage("too_many_arguments",
                 concat({"'", call.arguments[command.arguments.size()], "' is one too many"}))
        .with_hint(concat({"slipway help ", command.path}));
  for (size_t i = call.arguments.size(); i < command.arguments.size(); ++i)
    if (command.arguments[i].required)
      return usage("argument_missing",
                   concat({command.arguments[i].name, " is missing: ", command.arguments[i].doc}))
          .with_hint(concat({"slipway help ", command.path}));
  for (const Option& o : command.options)
    if (o.required && !call.has(o.name))
      return usage("option_missing", concat({"--", o.name, " ", o.value, " is missing: ", o.doc}))
          .with_hint(concat({"slipway help ", command.path}));
  return call;
}

int Commands::run(const std::vector<std::string>& arguments, Terminal& terminal) const {
  std::vector<std::string> words = arguments;
  const auto ours = std::find(words.begin(), words.end(), "--");  // What follows is not for us.
  const bool json = std::find(words.begin(), ours, "--json") != ours;
  const auto asks_help = [](const std::string& w) { return w == "--help" || w == "-h"; };
  const bool wants_help = std::any_of(words.begin(), ours, asks_help);
  if (wants_help) words.erase(std::remove_if(words.begin(), ours, asks_help), ours);
  if (words.empty()) {
    (wants_help ? terminal.out : terminal.err)(help());
    return wants_help ? 0 : kExitUsage;
  }
  if (const auto alias = aliases_.find(words[0]); alias != aliases_.end()) words[0] = alias->second;
  const Parsed found = match(words);
  if (found.command == nullptr) {
    const std::string group = words.size() == 1 ? group_help(words[0]) : std::string();
    if (!group.empty()) {
      (wants_help ? terminal.out : terminal.err)(group);
      return wants_help ? 0 : kExitUsage;
    }
    terminal.err(print_error(unknown_command(words), json));
    return kExitUsage;
  }
  if (wants_help) {
    terminal.out(help(*found.command));
    return 0;
  }
  words.erase(words.begin(), words.begin() + static_cast<std::ptrdiff_t>(found.used));
  Result<Call> call = parse(*found.command, words, terminal);
  if (!call.ok()) {
    terminal.err(print_error(call.error(), json));
    return kExitUsage;
  }
  const Result<int> done = found.command->run(*call);
  if (done.ok()) return *done;
  terminal.err(print_error(done.error(), json));
  return exit_code(done.error());
}

std::string print_error(const Error& error, bool json) {
  if (!json) {
    std::string out = concat({"error[", error.reason, "]: ", error.text, "\n"});
    if (!error.hint.empty()) out += concat({"help: ", error.hint, "\n"});
    return out;
  }
  const CodeRow& row = code_row(error.code);
  codec::Json problem = codec::Json::object({{"type", "about:blank"},
                                             {"title", row.title},
                                             {"status", row.http_status},
                                             {"detail", error.text},
                                             {"code", error.reason},
                                             {"retryable", row.retryable}});
  if (!error.hint.empty()) problem.set("hint", error.hint);
  return codec::to_json(problem) + "\n";
}

int exit_code(const Error& error) {
  if (error.reason.starts_with("usage.")) return kExitUsage;
  if (error.reason.ends_with(".gate_failed")) return kExitGate;
  return code_row(error.code).cli_exit;
}

}  // namespace slip::cli
