#include <array>

#include "base/text.h"
#include "cli/mlflow.h"
#include "cli/print.h"
#include "cli/rest.h"

namespace slip::cli {
namespace {

using codec::Json;

constexpr std::array kColumns = {
    Column{"ID", "experiment_id"}, Column{"EXPERIMENT", "name"}, Column{"STATE", "lifecycle_stage"},
    Column{"CREATED_MS", "created_ms"}, Column{"ARTIFACTS", "artifact_location"}};

Result<int> list(Call& call, Remote& remote) {
  const char* view = call.on("deleted") ? "DELETED_ONLY" : "ACTIVE_ONLY";
  std::vector<Json> found = TRY(search_experiments(remote, view));
  print_rows(call, Json::object({{"items", Json::array(std::move(found))}}), kColumns);
  return 0;
}

Result<int> show(Call& call, Remote& remote) {
  print_fields(call, TRY(find_experiment(remote, call.argument(0))));
  return 0;
}

Result<int> create(Call& call, Remote& remote) {
  Json body = Json::object({{"name", call.argument(0)}});
  if (call.has("artifacts")) body.set("artifact_location", call.text("artifacts"));
  const Json made = TRY(mlflow_post(remote, "experiments/create", body));
  print_fields(call, TRY(find_experiment(remote, text_of(made, "experiment_id"))));
  return 0;
}

Result<int> move(Call& call, Remote& remote, std::string_view verb) {
  const std::string id = text_of(TRY(find_experiment(remote, call.argument(0))), "experiment_id");
  TRY(mlflow_post(remote, concat({"experiments/", verb}), Json::object({{"experiment_id", id}})));
  print_fields(call, TRY(find_experiment(remote, id)));
  if (verb == "delete") call.terminal.err(concat({"undo: slipway exp restore ", id, "\n"}));
  return 0;
}

}  // namespace

void add_experiment_commands(Commands& commands, const Connect& connect) {
  const auto remote = [connect](auto run) {
    return [connect, run](Call& call) -> Result<int> {
      const std::unique_ptr<Remote> server = TRY(connect(call));
      return run(call, *server);
    };
  };
  const std::vector<Argument> one = {{"EXPERIMENT", "its number or name"}};
  commands.add({"exp list",
                "Experiments of the project.",
                {},
                {{"deleted", "", "Those that were deleted instead."}},
                remote(list),
                ""});
  commands.add({"exp show", "One experiment.", one, {}, remote(show), ""});
  commands.add({"exp create",
                "Makes an experiment.",
                {{"NAME", "which no other has"}},
                {{"artifacts", "URI", "Where its files lie [on the server]."}},
                remote(create),
                ""});
  commands.add({"exp delete",
                "Deletes an experiment and its runs; they can be restored.",
                one,
                {},
                remote([](Call& call, Remote& server) { return move(call, server, "delete"); }),
                ""});
  commands.add({"exp restore",
                "Brings an experiment and its runs back.",
                one,
                {},
                remote([](Call& call, Remote& server) { return move(call, server, "restore"); }),
                ""});
}

}  // namespace slip::cli
