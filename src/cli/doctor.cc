#include "base/text.h"
#include "base/version.h"
#include "cli/print.h"
#include "cli/rest.h"
#include "sys/clock.h"
#include "sys/fs.h"
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
}

Result<int> doctor(Call& call, const Machine& machine, const Connect& connect) {
  std::vector<Finding> findings;
  examine_machine(call, machine, &findings);
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
                {{"data-dir", "DIR", "Whose disk to look at [.]."}},
                [machine, connect](Call& call) { return doctor(call, machine, connect); },
                ""});
}

}  // namespace slip::cli
