#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace slip {
class Fs;
class Process;
}  // namespace slip

// Every setting of the server is a row of one table: flags, SLIPWAY_* variables, slipway.toml,
// `slipway config` and the reference page all read it. Flag > variable > file > default; each value
// knows where it came from. Immutable once resolved; any thread.
namespace slip::app {

enum class SettingType : uint8_t { kText, kInt, kSize, kSwitch, kChoice, kList, kPrefix };

struct SettingRow {
  std::string_view name;  // "data_dir": --data-dir, SLIPWAY_DATA_DIR, data_dir = "…"
  SettingType type = SettingType::kText;
  std::string_view fallback;
  std::string_view unit;  // "ms", "bytes" … of a number; "on|off|auto" of a choice.
  std::string_view doc;
  bool secret = false;  // Never printed.
  bool flag = true;     // False: others would see it among the process's arguments.
};
std::span<const SettingRow> settings();
const SettingRow* find_setting(std::string_view name);

std::string flag_of(const SettingRow& row);      // "--data-dir"
std::string variable_of(const SettingRow& row);  // "SLIPWAY_DATA_DIR"

struct Setting {
  const SettingRow* row = nullptr;
  std::string value;
  std::string origin;  // "default", "slipway.toml:3", "SLIPWAY_PORT", "--port"
};

class Config {
 public:
  struct Sources {
    Fs& fs;
    Process& process;
    std::vector<std::pair<std::string, std::string>> flags;  // Setting's name, value.
    std::string file;  // --config; "" takes ./slipway.toml if there is one.
  };
  // kInvalid `config.unknown_key|config.bad_value|config.toml`, kNotFound `config.file_missing`.
  static Result<Config> resolve(const Sources& sources);

  // CHECK that the row exists; sizes in bytes.
  const std::string& text(std::string_view name) const;
  int64_t number(std::string_view name) const;
  bool on(std::string_view name) const;
  std::vector<std::string> list(std::string_view name) const;
  const std::vector<Setting>& all() const { return values_; }
  const Setting& at(std::string_view name) const;
  // Every origin that had a word, the winner first.
  const std::vector<Setting>& candidates(std::string_view name) const;

 private:
  Status put(const std::string& name, const std::string& value, const std::string& origin);

  std::vector<Setting> values_;
  std::map<std::string, std::vector<Setting>, std::less<>> candidates_;
};

}  // namespace slip::app
