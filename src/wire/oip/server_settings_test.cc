#include "wire/oip/server_settings.h"

#include <gtest/gtest.h>

namespace slip::wire::oip {
namespace {

using Texts = std::vector<std::string>;

TEST(TraceSettings, AModelFollowsWhatIsSaidOfAll) {
  TraceSettings s;
  EXPECT_EQ(s.get("m"), s.get(""));
  EXPECT_EQ(s.get("").at("trace_level"), Texts{"OFF"});
  s.update("m", {{"trace_rate", Texts{"12"}}, {"log_frequency", Texts{"34"}}}).value();
  s.update("", {{"trace_rate", Texts{"56"}}, {"trace_level", Texts{"TIMESTAMPS", "TENSORS"}}})
      .value();
  EXPECT_EQ(s.get("m").at("trace_rate"), Texts{"12"});
  EXPECT_EQ(s.get("m").at("trace_level"), (Texts{"TIMESTAMPS", "TENSORS"}));
  s.update("m", {{"trace_rate", std::nullopt}, {"trace_level", std::nullopt}}).value();
  EXPECT_EQ(s.get("m").at("trace_rate"), Texts{"56"});
  s.update("", {{"trace_rate", std::nullopt}}).value();
  EXPECT_EQ(s.get("m").at("trace_rate"), Texts{"1000"});
  EXPECT_EQ(s.get("m").at("log_frequency"), Texts{"34"});
}

TEST(TraceSettings, BadValuesChangeNothing) {
  struct Case {
    const char* name;
    Texts values;
    const char* reason;
  };
  const Case cases[] = {
      {"trace_file", {"f"}, "settings.fixed"},
      {"trace_mode", {"x"}, "settings.fixed"},
      {"trace_level", {"MAX"}, "settings.value"},
      {"trace_level", {"OFF", "TENSORS"}, "settings.value"},
      {"trace_rate", {"x"}, "settings.value"},
      {"trace_rate", {"-1"}, "settings.value"},
      {"trace_rate", {"1", "2"}, "settings.value"},
      {"trace_count", {"-2"}, "settings.value"},
      {"log_frequency", {""}, "settings.value"},
      {"nonsense", {"1"}, "settings.unknown"},
  };
  TraceSettings s;
  for (const Case& c : cases) {
    TraceSettings::Change change = {{"trace_count", Texts{"3"}}};
    change[c.name] = c.values;
    EXPECT_EQ(s.update("", change).error().reason, c.reason) << c.name;
  }
  EXPECT_EQ(s.update("", {{"nonsense", std::nullopt}}).error().reason, "settings.unknown");
  EXPECT_EQ(s.get(""), TraceSettings().get(""));
}

TEST(LogSettings, TurnLevels) {
  std::map<Level, bool> on;
  LogSettings s(Level::kInfo, [&](Level level, bool is) { on[level] = is; });
  EXPECT_EQ(std::get<bool>(s.get().at("log_info")), true);
  s.update({{"log_info", false},
            {"log_verbose_level", uint32_t{1}},
            {"log_format", std::string("ISO8601")}})
      .value();
  EXPECT_FALSE(on.at(Level::kInfo));
  EXPECT_TRUE(on.at(Level::kDebug));
  EXPECT_TRUE(on.at(Level::kError));
  EXPECT_EQ(std::get<std::string>(s.get().at("log_format")), "ISO8601");
  EXPECT_EQ(s.update({{"log_file", std::string("x")}}).error().reason, "settings.fixed");
  EXPECT_EQ(s.update({{"log_info", uint32_t{1}}}).error().reason, "settings.value");
  EXPECT_EQ(s.update({{"log_format", std::string("x")}}).error().reason, "settings.value");
  EXPECT_EQ(s.update({{"other", true}}).error().reason, "settings.unknown");
}

}  // namespace
}  // namespace slip::wire::oip
