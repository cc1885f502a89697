#include <array>

#include "base/text.h"
#include "cli/print.h"
#include "cli/rest.h"

namespace slip::cli {
namespace {

using codec::Json;

constexpr std::array kEventColumns = {
    Column{"SEQ", "seq"},         Column{"TS_US", "ts_us"},       Column{"ACTOR", "actor"},
    Column{"VERB", "verb"},       Column{"KIND", "kind"},         Column{"NAME", "name"},
    Column{"VERSION", "version"}, Column{"DECISION", "decision"},
};

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

Result<int> token(Call& call, Remote& remote) {
  const Json body =
      Json::object({{"principal", call.text("principal")}, {"role", call.text("role")}});
  const Json made = TRY(remote.post("/tokens", body));
  if (call.on("json")) {
    print_fields(call, made);
  } else {
    call.terminal.out(TRY(codec::want_string(made, "token")) + "\n");
  }
  return 0;
}

}  // namespace

void add_server_commands(Commands& commands, const Connect& connect) {
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
                 {"role", "ROLE", "read, use, edit or manage.", true}},
                remote(token),
                "Commands read it from SLIPWAY_TOKEN."});
}

void add_rest_commands(Commands& commands, const Connect& connect) {
  add_server_commands(commands, connect);
  add_model_commands(commands, connect);
  add_deployment_commands(commands, connect);
}

}  // namespace slip::cli
