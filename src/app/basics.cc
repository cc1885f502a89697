#include "app/commands.h"
#include "base/error_map.h"
#include "base/text.h"
#include "base/version.h"
#include "codec/json.h"

namespace slip::app {
namespace {

std::string exit_codes() {
  return "exit codes:\n"
         "  0   ok\n"
         "  1   failed\n"
         "  2   the command line is wrong\n"
         "  3   not found\n"
         "  4   not authenticated, or not allowed\n"
         "  5   conflict, or a precondition doesn't hold (an approval is missing)\n"
         "  6   a gate or contract failed\n"
         "  7   unavailable or timed out: the same command may work later\n"
         "  8   stored data fails its checksum\n"
         "  10  changes present\n";
}

Result<int> help(cli::Call& call, const cli::Commands& commands) {
  std::vector<std::string> words = call.arguments;
  const std::string topic = join(words, " ");
  if (topic.empty()) {
    call.terminal.out(commands.help());
    return 0;
  }
  if (topic == "exit-codes") {
    call.terminal.out(exit_codes());
    return 0;
  }
  if (const cli::Command* command = commands.find(topic)) {
    call.terminal.out(commands.help(*command));
    return 0;
  }
  const std::string group = commands.group_help(topic);
  if (group.empty())
    return not_found("help.unknown_topic", concat({"no help on '", topic, "'"}))
        .with_hint("slipway help lists the commands");
  call.terminal.out(group);
  return 0;
}

Result<int> version(cli::Call& call) {
  if (call.on("json"))
    call.terminal.out(
        codec::to_json(codec::Json::object({{"version", kVersion}, {"git", git_revision()}})) +
        "\n");
  else
    call.terminal.out(concat({"slipway ", kVersion, " ", git_revision(), "\n"}));
  return 0;
}

}  // namespace

void add_basics(cli::Commands& commands, const Sys&) {
  commands.add({"version", "The version of this binary.", {}, {}, version, ""});
  commands.add({"help",
                "Help on a command, or on exit-codes.",
                {{"WORD", "command", false}, {"WORD", "its second word", false}},
                {},
                [&commands](cli::Call& call) { return help(call, commands); },
                ""});
  commands.add({"completion",
                "Prints the completion script of a shell.",
                {{"SHELL", "bash, zsh or fish"}},
                {},
                [&commands](cli::Call& call) -> Result<int> {
                  call.terminal.out(TRY(commands.completion(call.argument(0))));
                  return 0;
                },
                "bash: eval \"$(slipway completion bash)\""});
}

}  // namespace slip::app
