#include "wire/oip/server_settings.h"

#include <algorithm>
#include <array>

#include "base/text.h"

namespace slip::wire::oip {
namespace {

using Texts = std::vector<std::string>;

// The keys are these and no others.
const TraceSettings::Values& trace_defaults() {
  static const TraceSettings::Values values = {
      {"log_frequency", {"0"}}, {"trace_count", {"-1"}},    {"trace_file", {""}},
      {"trace_level", {"OFF"}}, {"trace_mode", {"triton"}}, {"trace_rate", {"1000"}}};
  return values;
}

Error bad(std::string_view name, std::string_view got) {
  return invalid("settings.value",
                 concat({"Unable to parse '", name, "', got: ", got.substr(0, 64)}));
}

Status check_levels(const Texts& levels) {
  constexpr std::array<std::string_view, 3> kKnown = {"OFF", "TIMESTAMPS", "TENSORS"};
  for (const std::string& level : levels) {
    if (std::find(kKnown.begin(), kKnown.end(), level) == kKnown.end())
      return bad("trace_level", level);
    if (level == "OFF" && levels.size() > 1)
      return invalid("settings.value", "Expect only one trace level 'OFF' is specified");
  }
  return {};
}

Status check_trace(std::string_view name, const Texts& values) {
  if (!trace_defaults().contains(name))
    return invalid("settings.unknown", concat({"there is no trace setting '", name, "'"}));
  if (name == "trace_file")
    return invalid("settings.fixed",
                   "trace file location can not be updated through network protocol");
  if (name == "trace_mode")
    return invalid("settings.fixed", "trace mode can not be updated through network protocol");
  if (name == "trace_level") return check_levels(values);
  if (values.size() != 1) return bad(name, join(values, ","));
  const std::optional<int64_t> number = parse_int(values.front());
  const int64_t least = name == "trace_count" ? -1 : 0;
  if (!number) return bad(name, values.front());
  if (*number < least)
    return invalid("settings.value", concat({"Unable to parse '", name,
                                             "', value is out of range [ ", std::to_string(least),
                                             ", 9223372036854775807 ], got: ", values.front()}));
  return {};
}

std::string_view log_kind(std::string_view name) {
  if (name == "log_info" || name == "log_warning" || name == "log_error") return "true or false";
  if (name == "log_verbose_level") return "a whole number, not negative";
  return "'default' or 'ISO8601'";
}

Status check_log(std::string_view name, const LogValue& value, const LogSettings::Values& known) {
  if (!known.contains(name))
    return invalid("settings.unknown", concat({"there is no log setting '", name, "'"}));
  if (name == "log_file")
    return invalid("settings.fixed",
                   "log file location can not be updated through network protocol");
  bool good = value.index() == known.find(name)->second.index();
  if (const std::string* format = std::get_if<std::string>(&value))
    good = good && (*format == "default" || *format == "ISO8601");
  if (good) return {};
  return invalid("settings.value", concat({"Unable to parse '", name, "': want ", log_kind(name)}));
}

}  // namespace

Status TraceSettings::update(const std::string& model, const Change& change) {
  for (const auto& [name, values] : change)
    if (values || !trace_defaults().contains(name))
      TRY(check_trace(name, values.value_or(Texts())));
  by_model_.with([&](auto& all) {
    Values& own = all[model];
    for (const auto& [name, values] : change) {
      if (values)
        own[name] = *values;
      else
        own.erase(name);
    }
    if (own.empty()) all.erase(model);
  });
  return {};
}

TraceSettings::Values TraceSettings::get(const std::string& model) const {
  Values out = trace_defaults();
  by_model_.with([&](const auto& all) {
    for (const std::string& level : {std::string(), model}) {
      const auto found = all.find(level);
      if (found == all.end()) continue;
      for (const auto& [name, values] : found->second) out[name] = values;
    }
  });
  return out;
}

LogSettings::LogSettings(Level least, Switch switch_level)
    : switch_level_(std::move(switch_level)) {
  values_.with([&](Values& v) {
    v = {{"log_file", std::string()},
         {"log_info", least <= Level::kInfo},
         {"log_warning", least <= Level::kWarn},
         {"log_error", true},
         {"log_verbose_level", uint32_t{least == Level::kDebug ? 1U : 0U}},
         {"log_format", std::string("default")}};
  });
}

Status LogSettings::update(const Values& change) {
  return values_.with([&](Values& now) -> Status {
    for (const auto& [name, value] : change) TRY(check_log(name, value, now));
    for (const auto& [name, value] : change) now[name] = value;
    if (!switch_level_) return {};
    switch_level_(Level::kInfo, std::get<bool>(now["log_info"]));
    switch_level_(Level::kWarn, std::get<bool>(now["log_warning"]));
    switch_level_(Level::kError, std::get<bool>(now["log_error"]));
    switch_level_(Level::kDebug, std::get<uint32_t>(now["log_verbose_level"]) > 0);
    return {};
  });
}

LogSettings::Values LogSettings::get() const {
  return values_.with([](const Values& v) { return v; });
}

}  // namespace slip::wire::oip
