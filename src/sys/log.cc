#include "sys/log.h"

#include <array>
#include <charconv>
#include <cmath>

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "base/text.h"
#include "sys/clock.h"

namespace slip {
namespace {

constexpr std::array<std::string_view, 4> kLevelNames = {"debug", "info", "warn", "error"};

void append_quoted(std::string* out, std::string_view text) {
  out->push_back('"');
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out->push_back('\\');
      out->push_back(c);
    } else if (byte < 0x20) {
      out->append("\\u00").append(to_hex(std::string_view(&c, 1)));
    } else {
      out->push_back(c);
    }
  }
  out->push_back('"');
}

void append_value(std::string* out, const Field& field) {
  if (const auto* text = std::get_if<std::string_view>(&field.value)) {
    append_quoted(out, is_utf8(*text) ? *text : std::string_view("(not UTF-8)"));
  } else if (const auto* number = std::get_if<int64_t>(&field.value)) {
    out->append(std::to_string(*number));
  } else if (const auto* real = std::get_if<double>(&field.value)) {
    if (std::isfinite(*real))
      out->append(format_double(*real));
    else
      append_quoted(out, format_double(*real));
  } else {
    out->append(std::get<bool>(field.value) ? "true" : "false");
  }
}

class JsonLog final : public Log {
 public:
  JsonLog(Level level, std::shared_ptr<spdlog::logger> sink) : level_(level), sink_(sink) {}

  bool enabled(Level level) const override { return level >= level_; }

  void write(Level level, std::string_view message, std::initializer_list<Field> fields) override {
    std::string line =
        concat({"{\"ts\":\"", format_time_ms(real_clock().now_ms()), "\",\"level\":\"",
                kLevelNames[static_cast<size_t>(level)], "\",\"msg\":"});
    append_quoted(&line, message);
    for (const Field& f : fields) {
      line.push_back(',');
      append_quoted(&line, f.name);
      line.push_back(':');
      append_value(&line, f);
    }
    line.push_back('}');
    sink_->log(spdlog::level::info, spdlog::string_view_t(line.data(), line.size()));
  }

 private:
  const Level level_;
  const std::shared_ptr<spdlog::logger> sink_;
};

class NullLog final : public Log {
 public:
  void write(Level, std::string_view, std::initializer_list<Field>) override {}
  bool enabled(Level) const override { return false; }
};

}  // namespace

SwitchedLog::SwitchedLog(Log& to, Level least) : to_(to) {
  for (size_t i = 0; i < on_.size(); ++i) on_[i].store(static_cast<Level>(i) >= least);
}

void SwitchedLog::turn(Level level, bool on) {
  on_[static_cast<size_t>(level)].store(on, std::memory_order_relaxed);
}

bool SwitchedLog::enabled(Level level) const {
  return on_[static_cast<size_t>(level)].load(std::memory_order_relaxed) && to_.enabled(level);
}

void SwitchedLog::write(Level level, std::string_view message,
                        std::initializer_list<Field> fields) {
  to_.write(level, message, fields);
}

std::unique_ptr<Log> open_log(Level level, const std::string& path) {
  std::shared_ptr<spdlog::logger> logger;
  try {
    if (!path.empty())
      logger = std::make_shared<spdlog::logger>(
          "slipway", std::make_shared<spdlog::sinks::basic_file_sink_mt>(path));
  } catch (const spdlog::spdlog_ex&) {
    // An unwritable log file must not keep the server from starting: stderr takes over.
  }
  if (!logger)
    logger = std::make_shared<spdlog::logger>("slipway",
                                              std::make_shared<spdlog::sinks::stderr_sink_mt>());
  logger->set_pattern("%v");
  logger->flush_on(spdlog::level::info);
  return std::make_unique<JsonLog>(level, std::move(logger));
}

Log& null_log() {
  static NullLog log;
  return log;
}

}  // namespace slip
