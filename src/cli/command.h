#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

// The command line as a table: parsing, help, "did you mean" and completion all read these rows.
// Data goes to `out`, everything else to `err`. Pure but for the Terminal; one thread.
namespace slip::cli {

struct Terminal {
  std::function<void(std::string_view)> out;
  std::function<void(std::string_view)> err;
  bool out_tty = false;  // Aligned table for people; else tab-separated.
};

// Exit codes that no Error stands for; the others are base/error_map.h's cli_exit.
inline constexpr int kExitGate = 6;
inline constexpr int kExitUsage = 2;

struct Option {
  std::string name;   // "role" for --role
  std::string value;  // "ROLE": takes one; "": a switch (--no-NAME turns it off).
  std::string doc;
  bool required = false;
  bool many = false;  // May be given several times: Call::list.
};

struct Argument {
  std::string name;  // "PATH"
  std::string doc;
  bool required = true;
  bool rest = false;  // The last one only: takes all that follow.
};

struct Call {
  Terminal& terminal;
  std::map<std::string, std::string, std::less<>> options;  // Switches: "on" or "off".
  std::vector<std::string> arguments;

  bool has(std::string_view option) const { return options.find(option) != options.end(); }
  bool on(std::string_view option) const;
  std::string text(std::string_view option, std::string_view fallback = "") const;
  std::vector<std::string> list(std::string_view option) const;  // Of one with `many`, in order.
  Result<std::optional<int64_t>> number(std::string_view option) const;  // kInvalid `usage.number`.
  std::string argument(size_t index) const;                              // "" when absent.
};

struct Command {
  std::string path;     // "model promote"
  std::string summary;  // One line.
  std::vector<Argument> arguments;
  std::vector<Option> options;
  std::function<Result<int>(Call&)> run;  // The exit code.
  std::string details;                    // Further paragraphs of its help; may be empty.
};

class Commands {
 public:
  // Options that every command takes (--json, --server, …).
  explicit Commands(std::vector<Option> common) : common_(std::move(common)) {}

  void add(Command command);
  // `word` at the beginning of a line stands for `meant`.
  void add_alias(std::string word, std::string meant) {
    aliases_[std::move(word)] = std::move(meant);
  }
  const std::vector<Command>& all() const { return commands_; }
  const std::vector<Option>& common() const { return common_; }
  const Command* find(std::string_view path) const;

  // Parses, runs, prints what went wrong. `arguments` without the program's name.
  int run(const std::vector<std::string>& arguments, Terminal& terminal) const;

  std::string help() const;                              // All commands.
  std::string help(const Command& command) const;        // One.
  std::string group_help(std::string_view group) const;  // "model": what stands below it; "" none.
  Result<std::string> completion(std::string_view shell) const;  // bash, zsh, fish.

 private:
  struct Parsed {
    const Command* command = nullptr;
    size_t used = 0;  // Words of the path.
  };
  Parsed match(const std::vector<std::string>& words) const;
  Result<Call> parse(const Command& command, const std::vector<std::string>& words,
                     Terminal& terminal) const;
  const Option* option(const Command& command, std::string_view name) const;
  Error unknown_command(const std::vector<std::string>& words) const;

  std::vector<Option> common_;
  std::vector<Command> commands_;
  std::map<std::string, std::string, std::less<>> aliases_;
};

// error[reason]: text / help: hint, or with `json` a problem document.
std::string print_error(const Error& error, bool json);
// 6 for gates that didn't pass, else base/error_map.h.
int exit_code(const Error& error);

}  // namespace slip::cli
