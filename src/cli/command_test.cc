#include "cli/command.h"

#include <gtest/gtest.h>

namespace slip::cli {
namespace {

struct Fixture {
  std::string out;
  std::string err;
  std::string ran;
  Terminal terminal{[this](std::string_view t) { out += t; },
                    [this](std::string_view t) { err += t; }, false};
  Commands commands{{{"json", "", "JSON"}, {"server", "URL", "address"}}};

  Fixture() {
    const auto note = [this](const char* name) {
      return [this, name](Call& call) -> Result<int> {
        ran = name;
        for (const auto& [option, value] : call.options) ran += " " + option + "=" + value;
        for (const std::string& a : call.arguments) ran += " " + a;
        return 0;
      };
    };
    commands.add({"serve", "Serves.", {}, {{"auth", "", "wants tokens"}}, note("serve"), ""});
    commands.add({"model show",
                  "Shows.",
                  {{"MODEL", "name"}, {"VERSION", "number", false}},
                  {},
                  note("show"),
                  ""});
    commands.add(
        {"token create", "Makes.", {}, {{"role", "ROLE", "which", true}}, note("create"), ""});
    commands.add(
        {"model gate",
         "Gates.",
         {},
         {},
         [](Call&) -> Result<int> { return conflict("model_version.gate_failed", "too low"); },
         ""});
    commands.add({"run",
                  "Runs.",
                  {{"COMMAND", "what", true, true}},
                  {{"out", "PATH", "made", false, true}},
                  note("run"),
                  ""});
    commands.add({"fail",
                  "Fails.",
                  {},
                  {},
                  [](Call&) -> Result<int> {
                    return Error(not_found("x.none", "no x")).with_hint("make one");
                  },
                  ""});
  }
  int run(std::vector<std::string> words) {
    commands.add_alias("start", "serve");
    out = err = ran = "";
    return commands.run(words, terminal);
  }
};

TEST(Commands, ParsesWhatTheTableSays) {
  struct Case {
    std::vector<std::string> words;
    int exit;
    const char* ran;
    const char* err;  // Part of what is printed.
  };
  const Case cases[] = {
      {{"serve"}, 0, "serve", ""},
      {{"serve", "--auth"}, 0, "serve auth=on", ""},
      {{"serve", "--no-auth"}, 0, "serve auth=off", ""},
      {{"serve", "--server", "u", "--json"}, 0, "serve json=on server=u", ""},
      {{"--json", "serve"}, 2, "", "no command '--json'"},
      {{"serve", "--server=u"}, 0, "serve server=u", ""},
      {{"serve", "--server"}, 2, "", "--server wants URL"},
      {{"serve", "--auht"}, 2, "", "did you mean --auth?"},
      {{"serve", "extra"}, 2, "", "one too many"},
      {{"model", "show", "fraud"}, 0, "show fraud", ""},
      {{"model", "show", "fraud", "3"}, 0, "show fraud 3", ""},
      {{"model", "show", "--", "--odd"}, 0, "show --odd", ""},
      {{"run", "--", "x", "--help", "--json", "-h", "--"}, 0, "run x --help --json -h --", ""},
      {{"run", "--out", "a", "--out=b c", "x"}, 0, "run out=a\nb c x", ""},
      {{"run", "--server", "u", "--server", "v", "x"}, 0, "run server=v x", ""},
      {{"run"}, 2, "", "COMMAND is missing"},
      {{"run", "x", "--odd"}, 2, "", "has no --odd"},
      {{"model", "show"}, 2, "", "MODEL is missing"},
      {{"model", "shwo", "x"}, 2, "", "did you mean slipway model show?"},
      {{"sreve"}, 2, "", "did you mean slipway serve?"},
      {{"xyz"}, 2, "", "slipway help lists"},
      {{"token", "create"}, 2, "", "--role ROLE is missing"},
      {{"fail"}, 3, "", "error[x.none]: no x\nhelp: make one\n"},
      {{"model", "gate"}, kExitGate, "", "gate_failed"},
      {{"start"}, 0, "serve", ""},
      {{}, 2, "", "usage: slipway COMMAND"},
      {{"model"}, 2, "", "usage: slipway model COMMAND"},
  };
  Fixture f;
  for (const Case& c : cases) {
    std::string trace;
    for (const std::string& w : c.words) trace += w + " ";
    SCOPED_TRACE(trace);
    EXPECT_EQ(f.run(c.words), c.exit);
    EXPECT_EQ(f.ran, c.ran);
    EXPECT_NE(f.err.find(c.err), std::string::npos) << f.err;
    EXPECT_EQ(f.out, "");
  }
}

TEST(Commands, ErrorsAsJsonHaveStableFields) {
  Fixture f;
  EXPECT_EQ(f.run({"fail", "--json"}), 3);
  EXPECT_NE(f.err.find(R"("code":"x.none")"), std::string::npos) << f.err;
  EXPECT_NE(f.err.find(R"("status":404)"), std::string::npos);
}

TEST(Commands, HelpAndCompletionNameEveryCommand) {
  Fixture f;
  EXPECT_EQ(f.run({"--help"}), 0);
  for (const Command& c : f.commands.all()) {
    SCOPED_TRACE(c.path);
    EXPECT_NE(f.out.find(c.path), std::string::npos);
  }
  EXPECT_EQ(f.run({"token", "create", "--help"}), 0);
  EXPECT_NE(f.out.find("--role ROLE"), std::string::npos);
  for (const char* shell : {"bash", "zsh", "fish"}) {
    SCOPED_TRACE(shell);
    const std::string text = f.commands.completion(shell).value();
    for (const char* word : {"serve", "show", "role"})
      EXPECT_NE(text.find(word), std::string::npos) << word;
  }
  EXPECT_EQ(f.commands.completion("csh").error().reason, "usage.shell");
}

}  // namespace
}  // namespace slip::cli
