#include <algorithm>

#include "base/text.h"
#include "base/version.h"
#include "cli/files.h"
#include "cli/print.h"
#include "cli/rest.h"
#include "core/worker/examine.h"
#include "sys/clock.h"
#include "sys/fs.h"
#include "sys/log.h"
#include "sys/process.h"

namespace slip::cli {
namespace {

using codec::Json;

constexpr int64_t kMemoryEnough = int64_t{512} << 20;
constexpr int64_t kDiskEnough = int64_t{1} << 30;

struct Finding {
  bool ok = true;
  std::string what;
  std::string fix;
};

void examine_machine(const Call& call, const Machine& machine, std::vector<Finding>* out) {
  const int64_t memory = machine.process.memory_limit_bytes();
  out->push_back({memory >= kMemoryEnough, concat({"memory: ", format_size(memory)}),
                  "give it at least 512 MiB"});
  out->push_back({true, "cores: " + std::to_string(machine.process.cpu_count()), ""});
  const std::string dir = call.text("data-dir", ".");
  const Result<DiskSpace> space = machine.fs.space(dir);
  if (!space.ok()) {
    out->push_back({false, concat({"disk: ", space.error().text}), "name another --data-dir"});
    return;
  }
  out->push_back({space->free_bytes >= kDiskEnough,
                  concat({"disk: ", format_size(space->free_bytes), " free at ", dir}),
                  "free some: when it is full, uploads are refused"});
}

// Of features, where they are served from one.
void examine_redis(const Json& redis, std::vector<Finding>* out) {
  const auto is = [&](std::string_view name) {
    const Json* found = redis.find(name);
    return found != nullptr && found->is_bool() && found->as_bool();
  };
  const std::string where =
      concat({"Redis ", cell_of(redis.find("url")), " (", cell_of(redis.find("layout")), ")"});
  out->push_back({is("up") && !is("filling"),
                  concat({where,
                          is("filling") ? ": is filled again"
                          : is("up")    ? ""
                                        : ": gone",
                          ", ", cell_of(redis.find("pending")), " entities wait to be written"}),
                  "features answer 503 meanwhile; the server's log says why"});
  const std::string eviction = cell_of(redis.find("eviction"));
  out->push_back({eviction.empty() || eviction == "noeviction",
                  concat({where, ": maxmemory-policy ", eviction.empty() ? "unknown" : eviction}),
                  "set it to noeviction: what is evicted looks as if it had never been"});
}

void examine_server(Call& call, const Connect& connect, std::vector<Finding>* out) {
  const Result<std::unique_ptr<Remote>> remote = connect(call);
  const Result<Json> status =
      remote.ok() ? (*remote)->get("/status") : Result<Json>(remote.error());
  if (!status.ok()) {
    out->push_back({false, concat({"server: ", status.error().text}), status.error().hint});
    return;
  }
  out->push_back(
      {true,
       concat({"server: up for ", cell_of(status->find("uptime_ms")), " ms, database ",
               cell_of(status->find("db")), ", data in ", cell_of(status->find("data_dir"))}),
       ""});
  const std::string version = cell_of(status->find("version"));
  out->push_back({version == kVersion,
                  concat({"versions: server ", version, ", this command ", kVersion}),
                  "use the same version for both"});
  if (const Json* redis = status->find("redis")) examine_redis(*redis, out);
}

worker::Options worker_options(const Call& call, const Machine& machine) {
  worker::Options out;
  const auto setting = [&](std::string_view name, const char* variable, std::string fallback) {
    const std::string set = machine.process.env(variable);
    return call.text(name, set.empty() ? fallback : set);
  };
  out.python = setting("python", "SLIPWAY_PYTHON", "python3");
  out.user = setting("workers-user", "SLIPWAY_WORKERS_USER", "");
  if (call.has("data-dir"))
    out.private_dirs = {path_in(machine.process.working_dir(), call.text("data-dir"))};
  return out;
}

// Whether the parts of the isolation that don't need a right of the server hold.
bool confined(const worker::Level& level) {
  return std::all_of(level.parts.begin(), level.parts.end(), [](const worker::Part& p) {
    return p.holds || p.name == "user" || p.name == "group" || p.name == "scratch";
  });
}

// Starts a worker and lets it try what it must not be able to.
void examine_workers(Call& call, const Machine& machine, std::vector<Finding>* out) {
  const worker::Options options = worker_options(call, machine);
  const auto workers =
      worker::make_workers({machine.process, machine.clock, machine.executor, null_log()}, options);
  const Result<std::vector<worker::Attempt>> attempts = worker::examine(*workers, Ctx());
  const worker::Level level = workers->level();
  if (!attempts.ok()) {
    // A server without functions in Python is a whole one, unless they are asked for.
    const bool asked = call.has("python") && options.python != "off";
    out->push_back({!asked, concat({"functions in Python: none: ", attempts.error().text}),
                    "name an interpreter that has pyarrow and pandas: --python PATH"});
    return;
  }
  const std::string absent = join(level.absent, ", ");
  const auto lacks = [&](std::string_view module) {
    return std::find(level.absent.begin(), level.absent.end(), module) != level.absent.end();
  };
  out->push_back({!lacks("pandas"),
                  concat({"functions in Python: ", level.python,
                          absent.empty() ? "" : ", without the modules ", absent}),
                  "install pandas there: functions of frames need it"});
  out->push_back({confined(level), "workers are confined: " + level.text(),
                  "Linux 5.13 with Landlock and seccomp, data outside of where Python lies"});
  for (const worker::Attempt& a : *attempts)
    if (!a.held)
      out->push_back({false, concat({"a worker can ", a.what}),
                      "don't run functions of people you don't trust here: --python off"});
}

Result<int> doctor(Call& call, const Machine& machine, const Connect& connect) {
  std::vector<Finding> findings;
  examine_machine(call, machine, &findings);
  examine_workers(call, machine, &findings);
  examine_server(call, connect, &findings);
  bool all = true;
  Json items = Json::array();
  for (const Finding& f : findings) {
    all = all && f.ok;
    items.push(Json::object({{"ok", f.ok}, {"what", f.what}, {"fix", f.ok ? "" : f.fix}}));
    if (call.on("json")) continue;
    call.terminal.out(concat({f.ok ? "✓ " : "✗ ", f.what, "\n"}));
    if (!f.ok && !f.fix.empty()) call.terminal.out(concat({"  ", f.fix, "\n"}));
  }
  if (call.on("json")) print_fields(call, Json::object({{"ok", all}, {"items", items}}));
  return all ? 0 : 1;
}

}  // namespace

void add_doctor(Commands& commands, const Machine& machine, const Connect& connect) {
  commands.add({"doctor",
                "What is wrong here, and what to do about it.",
                {},
                {{"data-dir", "DIR", "Whose disk to look at [.]."},
                 {"python", "PATH", "Of functions in Python [python3] [env: SLIPWAY_PYTHON]."},
                 {"workers-user", "USER", "Whom they run as [env: SLIPWAY_WORKERS_USER]."}},
                [machine, connect](Call& call) { return doctor(call, machine, connect); },
                ""});
}

}  // namespace slip::cli
