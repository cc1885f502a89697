#include "app/settings.h"

#include <gtest/gtest.h>

#include "app/toml.h"
#include "sys/fs.h"
#include "sys/process.h"
#include "sys/sim/sim_fs.h"

namespace slip::app {
namespace {

class FakeProcess final : public Process {
 public:
  std::map<std::string, std::string> variables;
  Result<std::unique_ptr<Child>> spawn(const SpawnOptions&) override {
    return unsupported("test.spawn", "no children here");
  }
  std::string env(const std::string& name) const override {
    const auto at = variables.find(name);
    return at == variables.end() ? "" : at->second;
  }
  std::string working_dir() const override { return "/work"; }
  int64_t resident_bytes() const override { return 0; }
  int64_t memory_limit_bytes() const override { return 1 << 30; }
  int cpu_count() const override { return 1; }
};

TEST(Toml, ReadsItsPartAndNamesTheLineOfTheRest) {
  struct Case {
    const char* text;
    const char* want;  // "key=value@line …", or the error's text.
  };
  const Case cases[] = {
      {"", ""},
      {"# nothing\n\n", ""},
      {"a = 1\nb='x # y' # z\n", "a=1@1 b=x # y@2 "},
      {"[s]\nn = 1_000\r\n[t.u]\nf = -2.5e3\n", "s.n=1000@2 t.u.f=-2.5e3@4 "},
      {"a.b = true", "a.b=true@1 "},
      {R"(a = "\"\\\n")", "a=\"\\\n@1 "},
      {"a = ['x', \"y\",]", "a=x,y@1 "},
      {"a = []", "a=@1 "},
      {"a = x", "line 1: 'x' is no value; strings need quotes"},
      {"\na = \"x", "line 2: a string doesn't end"},
      {"a = \"\\q\"", "line 1: an escape is one of \\\" \\\\ \\n \\r \\t"},
      {"a = 1 2", "line 1: something follows the value"},
      {"a 1", "line 1: expected = after the key"},
      {"= 1", "line 1: a key is letters, digits, _ and -"},
      {"[a", "line 1: a section is [name]"},
      {"a = 1\na = 2", "line 2: a is set twice"},
      {"a = [1]", "line 1: an array holds strings, on one line"},
      {"a = ['x' 'y']", "line 1: an array's items are separated by commas"},
      {"a = \"\xff\"", "line 1: the file isn't UTF-8"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.text);
    const auto entries = parse_toml(c.text);
    std::string got;
    if (!entries.ok())
      got = entries.error().text;
    else
      for (const TomlEntry& e : *entries)
        got += e.key + "=" + e.value + "@" + std::to_string(e.line) + " ";
    EXPECT_EQ(got, c.want);
  }
  EXPECT_FALSE(parse_toml(std::string(kTomlBytesMax + 1, '#')).ok());
}

struct Fixture {
  sim::SimFs fs{1};
  FakeProcess process;

  void write(const char* path, std::string_view text) { write_file_atomic(fs, path, text).value(); }
  Result<Config> resolve(std::vector<std::pair<std::string, std::string>> flags,
                         std::string file = "") {
    return Config::resolve({fs, process, std::move(flags), std::move(file)});
  }
};

TEST(Config, FlagBeatsVariableBeatsFileBeatsDefault) {
  Fixture f;
  f.write("/s.toml", "port = 1\nmax_body = \"2MiB\"\nallowed_hosts = ['a', 'b']\n");
  f.process.variables = {{"SLIPWAY_PORT", "2"}, {"SLIPWAY_ACCESS_LOG", "true"}};
  const Config c = f.resolve({{"port", "3"}}, "/s.toml").value();
  EXPECT_EQ(c.number("port"), 3);
  EXPECT_EQ(c.at("port").origin, "--port");
  EXPECT_EQ(c.number("max_body"), 2 << 20);
  EXPECT_EQ(c.at("max_body").origin, "/s.toml:2");
  EXPECT_TRUE(c.on("access_log"));
  EXPECT_EQ(c.at("access_log").origin, "SLIPWAY_ACCESS_LOG");
  EXPECT_EQ(c.list("allowed_hosts"), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(c.text("host"), "127.0.0.1");
  EXPECT_EQ(c.at("host").origin, "default");
  std::vector<std::string> origins;
  for (const Setting& s : c.candidates("port")) origins.push_back(s.origin);
  EXPECT_EQ(origins, (std::vector<std::string>{"--port", "SLIPWAY_PORT", "/s.toml:1", "default"}));
}

TEST(Config, RefusesWhatItDoesNotUnderstand) {
  struct Case {
    const char* file;
    std::vector<std::pair<std::string, std::string>> flags;
    const char* reason;
    const char* hint;
  };
  const Case cases[] = {
      {"prot = 1\n", {}, "config.unknown_key", "did you mean port?"},
      {"zzzzzzzz = 1\n", {}, "config.unknown_key", ""},
      {"port = \n", {}, "config.toml", ""},
      {"", {{"port", "x"}}, "config.bad_value", ""},
      {"", {{"port", "-1"}}, "config.bad_value", ""},
      {"", {{"max_body", "many"}}, "config.bad_value", ""},
      {"", {{"access_log", "perhaps"}}, "config.bad_value", ""},
      {"", {{"auth", "some"}}, "config.bad_value", ""},
      {"", {{"log_level", "loud"}}, "config.bad_value", ""},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.file + (c.flags.empty() ? "" : c.flags[0].first));
    Fixture f;
    f.write("/s.toml", c.file);
    const Result<Config> got = f.resolve(c.flags, "/s.toml");
    ASSERT_FALSE(got.ok());
    EXPECT_EQ(got.error().reason, c.reason);
    EXPECT_EQ(got.error().hint, c.hint);
  }
  Fixture f;
  EXPECT_EQ(f.resolve({}, "/none.toml").error().reason, "config.file_missing");
}

TEST(Config, SwitchesAndChoicesReadManyWords) {
  Fixture f;
  for (const char* yes : {"on", "true", "1", "YES"})
    EXPECT_EQ(f.resolve({{"auth", yes}}).value().text("auth"), "on") << yes;
  for (const char* no : {"off", "false", "0", "no"})
    EXPECT_EQ(f.resolve({{"auth", no}}).value().text("auth"), "off") << no;
  const auto members = f.resolve({{"default_permission", "NO_PERMISSIONS"}});
  EXPECT_EQ(members.value().text("default_permission"), "no_permissions");
}

TEST(Config, WhatMlflowsServerReadsHoldsBelowOurOwn) {
  Fixture f;
  f.process.variables["MLFLOW_CREATE_MODEL_VERSION_SOURCE_VALIDATION_REGEX"] = "^a";
  EXPECT_EQ(f.resolve({}).value().text("model_source_pattern"), "^a");
  f.process.variables["SLIPWAY_MODEL_SOURCE_PATTERN"] = "^b";
  EXPECT_EQ(f.resolve({}).value().text("model_source_pattern"), "^b");
}

TEST(Settings, NamesAreOneSpelling) {
  for (const SettingRow& row : settings()) {
    SCOPED_TRACE(row.name);
    EXPECT_EQ(find_setting(row.name), &row);
    EXPECT_FALSE(row.doc.empty());
    EXPECT_EQ(flag_of(row).substr(0, 2), "--");
    EXPECT_EQ(variable_of(row).substr(0, 8), "SLIPWAY_");
  }
}

}  // namespace
}  // namespace slip::app
