#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "sys/log.h"
#include "sys/sync.h"

// Triton's trace and log settings. Those of tracing are kept and answered, by model and for all,
// and nothing else comes of them here (traces of requests are OpenTelemetry's); those of logging
// act on the server's log. In memory; any thread.
//
// Errors: kInvalid `settings.value|settings.unknown|settings.fixed`.
namespace slip::wire::oip {

class TraceSettings {
 public:
  using Values = std::map<std::string, std::vector<std::string>, std::less<>>;
  // Nothing: as it is one level up.
  using Change = std::map<std::string, std::optional<std::vector<std::string>>, std::less<>>;

  // `model` "": of all that say nothing themselves. All of it or nothing.
  Status update(const std::string& model, const Change& change);
  Values get(const std::string& model) const;
  static bool is_list(std::string_view name) { return name == "trace_level"; }

 private:
  sys::Guarded<std::map<std::string, Values>> by_model_;
};

using LogValue = std::variant<bool, uint32_t, std::string>;

class LogSettings {
 public:
  using Values = std::map<std::string, LogValue, std::less<>>;
  // How a level of the server's log is switched; may be null.
  using Switch = std::function<void(Level, bool)>;

  LogSettings(Level least, Switch switch_level);
  Status update(const Values& change);  // All of it or nothing.
  Values get() const;

 private:
  const Switch switch_level_;
  sys::Guarded<Values> values_;
};

}  // namespace slip::wire::oip
