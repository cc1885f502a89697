#include <array>

#include "base/text.h"
#include "cli/print.h"
#include "cli/rest.h"
#include "sys/clock.h"

namespace slip::cli {
namespace {

using codec::Json;

constexpr std::array kEventColumns = {
    Column{"SEQ", "seq"},         Column{"TS_US", "ts_us"},       Column{"ACTOR", "actor"},
    Column{"VERB", "verb"},       Column{"KIND", "kind"},         Column{"NAME", "name"},
    Column{"VERSION", "version"}, Column{"DECISION", "decision"},
};

constexpr std::array kPrincipalColumns = {
    Column{"NAME", "name"},
    Column{"KIND", "kind"},
    Column{"UID", "uid"},
    Column{"CREATED_MS", "created_ms"},
};
constexpr int64_t kDayMs = int64_t{24} * 3'600'000;

Result<int> status(Call& call, Remote& remote) {
  print_fields(call, TRY(remote.get("/status")));
  return 0;
}

Result<int> ledger(Call& call, Remote& remote) {
  const std::string query = query_of({{"limit", call.text("limit", "50")},
                                      {"order", call.on("desc") ? "desc" : ""},
                                      {"after", call.text("after")},
                                      {"before", call.text("before")},
                                      {"verb", call.text("verb")},
                                      {"uid", call.text("uid")}});
  print_rows(call, TRY(remote.get("/ledger" + query)), kEventColumns);
  return 0;
}

Result<int> token(Call& call, Remote& remote, Clock& clock) {
  Json body = Json::object({{"principal", call.text("principal")}, {"role", call.text("role")}});
  if (call.has("kind")) body.set("kind", call.text("kind"));
  if (call.has("project")) body.set("project", call.text("project"));
  if (const std::optional<int64_t> days = TRY(call.number("expires-days")))
    body.set("expires_ms", clock.now_ms() + *days * kDayMs);
  const Json made = TRY(remote.post("/tokens", body));
  if (call.on("json")) {
    print_fields(call, made);
  } else {
    call.terminal.out(TRY(codec::want_string(made, "token")) + "\n");
  }
  return 0;
}

Result<int> revoke(Call& call, Remote& remote) {
  const std::string id = call.argument(0);
  TRY(remote.call(http::Method::kDelete, concat({"/tokens/", percent_encode(id)}), nullptr));
  call.terminal.err(concat({"token ", id, " is revoked\n"}));
  return 0;
}

Result<int> api(Call& call, Remote& remote) {
  std::string target = call.argument(1);
  if (!target.starts_with('/')) target = concat({"/api/slipway/v1/", target});
  for (const http::Method m : {http::Method::kGet, http::Method::kHead, http::Method::kPost,
                               http::Method::kPut, http::Method::kPatch, http::Method::kDelete}) {
    if (!iequals(http::method_name(m), call.argument(0))) continue;
    const std::string answer = TRY(remote.raw(m, target, call.argument(2)));
    call.terminal.out(answer.ends_with('\n') ? answer : answer + "\n");
    return 0;
  }
  return invalid("usage.method", concat({"'", call.argument(0), "' is no method"}));
}

}  // namespace

void add_server_commands(Commands& commands, const Machine& machine, const Connect& connect) {
  const auto remote = [connect](auto run) {
    return [connect, run](Call& call) -> Result<int> {
      const std::unique_ptr<Remote> server = TRY(connect(call));
      return run(call, *server);
    };
  };
  commands.add({"status",
                "Version, uptime, database and memory of the server.",
                {},
                {},
                remote(status),
                ""});
  commands.add({"ledger list",
                "Events of the project, in commit order.",
                {},
                {{"desc", "", "The newest first."},
                 {"limit", "N", "How many [50]."},
                 {"after", "SEQ", "Later than this one."},
                 {"before", "SEQ", "Earlier than this one."},
                 {"verb", "VERB", "Of this verb only."},
                 {"uid", "UID", "About this subject only."}},
                remote(ledger),
                ""});
  commands.add({"token create",
                "Makes a token; it is shown this once.",
                {},
                {{"principal", "NAME", "Whose; made when new.", true},
                 {"role", "ROLE", "read, use, edit or manage.", true},
                 {"kind", "KIND", "user or service, of a new principal [user]."},
                 {"expires-days", "N", "Ends after so many days."}},
                remote([&clock = machine.clock](Call& call, Remote& server) {
                  return token(call, server, clock);
                }),
                "--project binds it to one project. Commands read it from SLIPWAY_TOKEN. Where no "
                "server runs: slipway token create-offline."});
  commands.add(
      {"token revoke", "Ends a token at once.", {{"ID", "its id"}}, {}, remote(revoke), ""});
  commands.add({"principal list",
                "Who may do what.",
                {},
                {},
                remote([](Call& call, Remote& server) -> Result<int> {
                  print_rows(call, TRY(server.all("/principals")), kPrincipalColumns);
                  return 0;
                }),
                ""});
  commands.add({"whoami",
                "Whom the server takes you for.",
                {},
                {},
                remote([](Call& call, Remote& server) -> Result<int> {
                  print_fields(call, TRY(server.get("/whoami")));
                  return 0;
                }),
                ""});
  commands.add({"api",
                "Any call of the server; prints what it answers.",
                {{"METHOD", "GET, POST …"},
                 {"PATH", "from /, or below /api/slipway/v1/"},
                 {"BODY", "JSON", false}},
                {},
                remote(api),
                ""});
  add_doctor(commands, machine, connect);
}

void add_rest_commands(Commands& commands, const Machine& machine, const Connect& connect) {
  add_server_commands(commands, machine, connect);
  add_data_commands(commands, connect, machine.fs);
  add_model_commands(commands, connect);
  add_request_commands(commands, connect, machine.fs);
  add_webhook_commands(commands, connect, machine.fs);
  add_async_commands(commands, connect);
  add_export_commands(commands, connect, machine.fs);
  add_gate_commands(commands, connect, machine);
  add_deployment_commands(commands, connect);
  add_archive_commands(commands, connect, machine.fs);
  add_run_commands(commands, machine, connect);
  add_runs_commands(commands, machine, connect);
  add_experiment_commands(commands, connect);
  add_gc_commands(commands, connect);
  add_migrate_commands(commands, connect, machine.fs);
  add_feature_commands(commands, machine);
  add_feature_store_commands(commands, connect, machine.fs);
  add_feature_verify_command(commands, connect);
  add_feature_stream_commands(commands, connect);
  add_score_stream_commands(commands, connect, machine.fs);
  add_contract_commands(commands, machine);
  add_predict_command(commands, machine);
  add_batch_command(commands, machine);
  add_function_commands(commands, machine);
  add_sql_commands(commands, machine);
}

}  // namespace slip::cli
