#include "base/text.h"
#include "cli/mlflow.h"
#include "cli/print.h"
#include "cli/rest.h"
#include "cli/tracked.h"
#include "sys/clock.h"
#include "sys/process.h"

// slipway run -- COMMAND
namespace slip::cli {
namespace {

using codec::Json;

// The experiment by number or name; one that has no such name yet is made.
Result<std::string> experiment_id(Remote& remote, const std::string& ref) {
  if (ref.empty()) return std::string("0");
  const Result<Json> found = find_experiment(remote, ref);
  if (found.ok()) return text_of(*found, "experiment_id");
  if (found.error().code != Code::kNotFound || parse_int(ref)) return found.error();
  const Json made = TRY(mlflow_post(remote, "experiments/create", Json::object({{"name", ref}})));
  return text_of(made, "experiment_id");
}

Result<Texts> pairs(const Call& call, std::string_view option) {
  Texts out;
  for (const std::string& pair : call.list(option)) {
    const size_t equals = pair.find('=');
    if (equals == pair.npos || equals == 0)
      return invalid("usage.pair", concat({"--", option, " '", pair, "' isn't NAME=VALUE"}));
    out[pair.substr(0, equals)] = pair.substr(equals + 1);
  }
  return out;
}

void tell(Call& call, const Remote& remote, const Tracked& t, const Outcome& outcome) {
  for (const std::string& path : outcome.missing)
    call.terminal.err(concat({"warning: the command didn't make ", path, "\n"}));
  const std::string run_id = text_of(t.run, "run_id");
  call.terminal.err(concat({"run ", run_id, " ", text_of(t.run, "name"), " ", outcome.status, "  ",
                            remote.url(), "\n"}));
}

void warn_of_left_out(Call& call, const Json& record) {
  const Json* code = record.find("code");
  if (code == nullptr || !code->is_object()) {
    call.terminal.err("warning: no git commit here: the code isn't captured\n");
    return;
  }
  for (const Json& path : code->find("left_out")->items())
    call.terminal.err(concat({"warning: ", path.as_string(),
                              " is new and too large to keep; add it to git, or name it with"
                              " --data\n"}));
}

Result<int> run(Call& call, Remote& remote, const Machine& machine) {
  Tracked t;
  t.argv = call.arguments;
  t.directory = machine.process.working_dir();
  t.outputs = call.list("out");
  TRY(check_outputs(t.outputs));
  const Texts params = TRY(pairs(call, "param"));
  NewTracked wanted;
  wanted.name = call.text("name");
  wanted.user_id = machine.process.env("USER");
  wanted.tags = TRY(pairs(call, "tag"));
  wanted.experiment_id = TRY(experiment_id(remote, call.text("experiment")));
  t.capture = TRY(take_capture(
      machine, remote,
      {.argv = t.argv, .directory = t.directory, .data = call.list("data"), .outputs = t.outputs}));
  warn_of_left_out(call, t.capture.record);
  TRY(begin_run(remote, wanted, &t));
  TRY(log_texts(remote, text_of(t.run, "run_id"), "params", params));
  const Outcome outcome = TRY(run_tracked(call, remote, machine, &t));
  tell(call, remote, t, outcome);
  return outcome.exit;
}

}  // namespace

void add_run_commands(Commands& commands, const Machine& machine, const Connect& connect) {
  commands.add(
      {"run",
       "Runs a command as a run of the server, with code, environment, data and outputs kept.",
       {{"COMMAND", "behind --, with its arguments", true, true}},
       {{"experiment", "NAME", "Its number or name; made when new [Default]."},
        {"name", "TEXT", "Of the run [made up]."},
        {"data", "PATH", "What it reads: a file, or data:NAME@VERSION. Repeat.", false, true},
        {"out", "PATH", "A file that it makes, below the working directory. Repeat.", false, true},
        {"param", "NAME=VALUE", "A parameter of the run. Repeat.", false, true},
        {"tag", "NAME=VALUE", "A tag of the run. Repeat.", false, true}},
       [connect, machine](Call& call) -> Result<int> {
         const std::unique_ptr<Remote> server = TRY(connect(call));
         return run(call, *server, machine);
       },
       "The command gets MLFLOW_TRACKING_URI, MLFLOW_RUN_ID and SLIPWAY_URL: what it logs with\n"
       "MLflow's client or ours lands in the same run. Exits as the command does, with 128 and\n"
       "the signal's number when one ended it. Nothing starts when no server answers (7).\n"
       "slipway runs repro does it again."});
}

}  // namespace slip::cli
