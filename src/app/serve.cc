#include "app/commands.h"
#include "base/text.h"
#include "sys/clock.h"
#include "sys/log.h"
#include "sys/signals.h"

namespace slip::app {
namespace {

Level level_of(const std::string& name) {
  if (name == "debug") return Level::kDebug;
  if (name == "warn") return Level::kWarn;
  return name == "error" ? Level::kError : Level::kInfo;
}

Result<int> serve(cli::Call& call, const Sys& outer) {
  hold_stop_signals();
  Config config = TRY(config_of(call, outer));
  // Writes what the switches before it let through, which clients may turn (/v2/logging).
  const std::unique_ptr<Log> written = open_log(Level::kDebug, config.text("log_file"));
  SwitchedLog log(*written, level_of(config.text("log_level")));
  const Sys sys{outer.fs, outer.clock, outer.rng, outer.process, outer.executor, log, &log};
  const std::unique_ptr<World> world = TRY(World::open(sys, std::move(config)));
  TRY(world->listen());
  const int64_t took_ms = (sys.clock.steady_ns() - world->started_ns) / 1'000'000;
  call.terminal.out(concat({"slipway ready http=", world->http_url(),
                            " grpc=", world->grpc_address(), " data=", world->data_dir, "\n"}));
  log.info("ready", {{"start_ms", took_ms}, {"auth", world->auth_required()}});
  const int signal = wait_stop_signal();
  log.info("stopping", {{"signal", int64_t{signal}}});
  world->stop();
  return 0;
}

}  // namespace

std::vector<cli::Option> setting_options() {
  std::vector<cli::Option> out;
  out.push_back({"config", "FILE", "Settings file instead of ./slipway.toml."});
  for (const SettingRow& row : settings()) {
    if (!row.flag) continue;
    const bool is_switch =
        row.type == SettingType::kSwitch || row.name == "auth";  // --auth, --no-auth
    std::string doc(row.doc);
    if (!row.fallback.empty()) doc += concat({" [", row.fallback, "]"});
    doc += concat({" [env: ", variable_of(row), "]"});
    const bool many = row.type == SettingType::kList;
    out.push_back({flag_of(row).substr(2), is_switch ? "" : "VALUE", std::move(doc), false, many});
  }
  return out;
}

Result<Config> config_of(const cli::Call& call, const Sys& sys) {
  Config::Sources sources{sys.fs, sys.process, {}, call.text("config")};
  for (const SettingRow& row : settings()) {
    const std::string name = flag_of(row).substr(2);
    if (!row.flag || !call.has(name)) continue;
    const bool many = row.type == SettingType::kList;
    sources.flags.emplace_back(row.name, many ? join(call.list(name), ",") : call.text(name));
  }
  return Config::resolve(sources);
}

void add_serve(cli::Commands& commands, const Sys& sys) {
  commands.add({"serve",
                "Run the server.",
                {},
                setting_options(),
                [sys](cli::Call& call) { return serve(call, sys); },
                "Prints one line when it answers; SIGTERM ends it after the requests in flight.\n"
                "Variables and slipway.toml set the same: slipway config list."});
}

}  // namespace slip::app
