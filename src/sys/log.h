#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <variant>

// One JSON object a line on stderr (or the file the operator names): ts, level, msg, then the
// fields. An error is logged once, where it is answered. Any thread; never blocks on a slow disk
// for longer than the write itself.
namespace slip {

enum class Level : uint8_t { kDebug, kInfo, kWarn, kError };

struct Field {
  std::string_view name;
  std::variant<std::string_view, int64_t, double, bool> value;
};

class Log {
 public:
  virtual ~Log() = default;
  virtual void write(Level level, std::string_view message,
                     std::initializer_list<Field> fields) = 0;
  virtual bool enabled(Level level) const = 0;

  void debug(std::string_view m, std::initializer_list<Field> f = {}) { put(Level::kDebug, m, f); }
  void info(std::string_view m, std::initializer_list<Field> f = {}) { put(Level::kInfo, m, f); }
  void warn(std::string_view m, std::initializer_list<Field> f = {}) { put(Level::kWarn, m, f); }
  void error(std::string_view m, std::initializer_list<Field> f = {}) { put(Level::kError, m, f); }

 private:
  void put(Level level, std::string_view m, std::initializer_list<Field> f) {
    if (enabled(level)) write(level, m, f);
  }
};

// Passes on what its switches let through: at first everything from `least` on. Turned at any time,
// by any thread. `to` must outlive it, and write all that may be turned on.
class SwitchedLog final : public Log {
 public:
  SwitchedLog(Log& to, Level least);
  void turn(Level level, bool on);
  void write(Level level, std::string_view message, std::initializer_list<Field> fields) override;
  bool enabled(Level level) const override;

 private:
  Log& to_;
  std::array<std::atomic<bool>, 4> on_;
};

// `path` empty: stderr.
std::unique_ptr<Log> open_log(Level level, const std::string& path);
Log& null_log();

}  // namespace slip
