#include <array>
#include <limits>

#include "base/text.h"
#include "cli/print.h"
#include "cli/rest.h"

namespace slip::cli {
namespace {

using codec::Json;

constexpr std::array kItemColumns = {
    Column{"KIND", "kind"},
    Column{"UID", "uid"},
    Column{"NAME", "name"},
    Column{"SINCE_MS", "since_ms"},
    Column{"BLOCKED BY", "blocked_by"},
};
constexpr std::array kPurgeColumns = {
    Column{"STARTED_MS", "started_ms"},
    Column{"STATE", "state"},
    Column{"BY", "actor"},
    Column{"RUNS", "purged.runs"},
    Column{"MODELS", "purged.logged_models"},
    Column{"TRACES", "purged.traces"},
    Column{"EXPERIMENTS", "purged.experiments"},
    Column{"REASON", "reason"},
    Column{"UID", "uid"},
};
constexpr std::array kRuleColumns = {
    Column{"EXPERIMENT", "experiment"},
    Column{"DELETED DAYS", "deleted_days"},
    Column{"RUNS DAYS", "runs_days"},
    Column{"TRACES DAYS", "traces_days"},
    Column{"BY", "actor"},
};
constexpr std::array kHoldColumns = {
    Column{"KIND", "kind"},
    Column{"NAME", "name"},
    Column{"OBJECT", "object_uid"},
    Column{"BY", "actor"},
    Column{"CREATED_MS", "created_ms"},
    Column{"REASON", "reason"},
    Column{"RELEASED_MS", "released_ms"},
    Column{"UID", "uid"},
};

// "30d", "12h", "90m", "45s", "0".
Result<int64_t> duration_ms(const std::string& text) {
  int64_t unit_ms = 0;
  switch (text.empty() ? 0 : text.back()) {
    case 'd':
      unit_ms = int64_t{24} * 3'600'000;
      break;
    case 'h':
      unit_ms = 3'600'000;
      break;
    case 'm':
      unit_ms = 60'000;
      break;
    case 's':
      unit_ms = 1'000;
      break;
    default:
      break;
  }
  const std::optional<int64_t> n = parse_int(unit_ms == 0 ? text : text.substr(0, text.size() - 1));
  const bool plain = unit_ms == 0 && n && *n != 0;  // Of what?
  if (!n || *n < 0 || plain || (unit_ms > 0 && *n > std::numeric_limits<int64_t>::max() / unit_ms))
    return invalid("usage.duration", "--older-than is a time such as 30d, 12h, 90m, 45s or 0");
  return *n * unit_ms;
}

Json names_of(const std::string& text) {
  Json out = Json::array();
  for (const std::string_view name : split(text, ','))
    if (!trim(name).empty()) out.push(trim(name));
  return out;
}

Result<int> collect(Call& call, Remote& remote) {
  if (call.on("blobs")) {
    print_fields(call, TRY(remote.get("/blobs")));
    return 0;
  }
  if (call.on("list")) {
    print_rows(call, TRY(remote.all("/gc")), kPurgeColumns);
    return 0;
  }
  if (call.has("status")) {
    print_fields(call, TRY(remote.get("/gc/" + percent_encode(call.text("status")))));
    return 0;
  }
  Json body = Json::object({{"dry_run", call.on("dry-run")}, {"reason", call.text("reason")}});
  if (call.has("older-than")) body.set("older_than_ms", TRY(duration_ms(call.text("older-than"))));
  if (call.has("experiment")) body.set("experiments", names_of(call.text("experiment")));
  if (call.has("run")) body.set("runs", names_of(call.text("run")));
  const Json reply = TRY(remote.post("/gc", body));
  if (!call.on("dry-run") || call.on("json")) {
    print_fields(call, reply);
    return 0;
  }
  Json items = Json::array();
  for (const char* part : {"items", "blocked"})
    if (const Json* list = reply.find(part); list && list->is_array())
      for (const Json& item : list->items()) items.push(item);
  print_rows(call, Json::object({{"items", std::move(items)}}), kItemColumns);
  Json sums = Json::object();
  for (const char* part : {"counts", "bytes", "bytes_uncounted", "blocked_count"})
    if (const Json* value = reply.find(part)) sums.set(part, *value);
  call.terminal.err(fields_of(sums));
  return 0;
}

Result<int> rules(Call& call, Remote& remote) {
  print_rows(call, TRY(remote.all("/retention")), kRuleColumns);
  return 0;
}

Result<int> set_rule(Call& call, Remote& remote) {
  Json body = Json::object();
  if (call.has("experiment")) body.set("experiment", call.text("experiment"));
  if (const auto days = TRY(call.number("deleted-days"))) body.set("deleted_days", *days);
  if (const auto days = TRY(call.number("runs-days"))) body.set("runs_days", *days);
  if (const auto days = TRY(call.number("traces-days"))) body.set("traces_days", *days);
  print_fields(call, TRY(remote.call(http::Method::kPut, "/retention", &body)));
  return 0;
}

Result<int> drop_rule(Call& call, Remote& remote) {
  const std::string query = query_of({{"experiment", call.text("experiment")}});
  print_fields(call, TRY(remote.call(http::Method::kDelete, "/retention" + query, nullptr)));
  return 0;
}

Result<int> add_hold(Call& call, Remote& remote) {
  const Json body = Json::object({{"object", call.argument(0)}, {"reason", call.text("reason")}});
  print_fields(call, TRY(remote.post("/holds", body)));
  return 0;
}

Result<int> list_holds(Call& call, Remote& remote) {
  const std::string query = query_of({{"released", call.on("released") ? "true" : ""}});
  print_rows(call, TRY(remote.all("/holds" + query)), kHoldColumns);
  return 0;
}

Result<int> release_hold(Call& call, Remote& remote) {
  const Json body = Json::object({{"reason", call.text("reason")}});
  print_fields(call, TRY(remote.post(
                         concat({"/holds/", percent_encode(call.argument(0)), "/release"}), body)));
  return 0;
}

}  // namespace

void add_gc_commands(Commands& commands, const Connect& connect) {
  const auto remote = [connect](auto run) {
    return [connect, run](Call& call) -> Result<int> {
      const std::unique_ptr<Remote> server = TRY(connect(call));
      return run(call, *server);
    };
  };
  commands.add(
      {"gc",
       "Purges what has been deleted for long enough, and frees its names.",
       {},
       {{"dry-run", "", "Only show what would go and what keeps the rest."},
        {"older-than", "AGE", "Deleted for so long, e.g. 30d [the retention rules', else 0]."},
        {"experiment", "IDS", "Only in these experiments, by number, divided by commas."},
        {"run", "IDS", "Only these runs, divided by commas."},
        {"reason", "TEXT", "Kept in the ledger."},
        {"status", "UID", "Show a purge that was started."},
        {"list", "", "Show all purges, newest first."},
        {"blobs", "", "Show how much of what is stored is still needed."}},
       remote(collect),
       "What is under a legal hold, or what a registered model version was made of, stays. Bytes"
       " are freed by the sweep, a day after nothing refers to them any more."});
  const Option experiment = {"experiment", "ID", "Of an experiment [of the project]."};
  commands.add({"retention list", "Retention rules.", {}, {}, remote(rules), ""});
  commands.add({"retention set",
                "Sets the rule of the project or of an experiment.",
                {},
                {experiment,
                 {"deleted-days", "N", "Deleted things are purged after N days."},
                 {"runs-days", "N", "Ended runs are deleted N days after they began."},
                 {"traces-days", "N", "Traces are purged N days after they began."}},
                remote(set_rule),
                "It replaces the rule that there was."});
  commands.add({"retention drop",
                "Drops the rule of the project or of an experiment.",
                {},
                {experiment},
                remote(drop_rule),
                ""});
  commands.add({"hold add",
                "Puts an object under legal hold.",
                {{"OBJECT", "KIND:NAME: run:ID, experiment:NAME, model:NAME@3, …, or project"}},
                {{"reason", "TEXT", "Why.", true}},
                remote(add_hold),
                "What is held, and what it needs, is never purged until the hold is released."});
  commands.add({"hold list",
                "Legal holds that stand.",
                {},
                {{"released", "", "Also those that were released."}},
                remote(list_holds),
                ""});
  commands.add({"hold release",
                "Releases a legal hold.",
                {{"UID", "of hold list"}},
                {{"reason", "TEXT", "Why.", true}},
                remote(release_hold),
                ""});
}

}  // namespace slip::cli
