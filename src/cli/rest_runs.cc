#include <algorithm>
#include <array>

#include "base/text.h"
#include "cli/files.h"
#include "cli/mlflow.h"
#include "cli/print.h"
#include "cli/repro.h"
#include "cli/rest.h"
#include "cli/runs_diff.h"
#include "cli/tracked.h"
#include "sys/clock.h"
#include "sys/command.h"
#include "sys/executor.h"
#include "sys/fs.h"

// slipway runs list|show|diff|repro
namespace slip::cli {
namespace {

// A run that is about to be done again.
struct Again {
  Recipe recipe;
  std::string directory;  // All that is made lies here.
  Tracked tracked;
  Rebuilt rebuilt;
};

using codec::Json;

constexpr int kExitChanges = 10;
constexpr int64_t kListDefault = 100;
constexpr int64_t kListMax = 50'000;
constexpr int64_t kWatchNs = 2'000'000'000;

constexpr std::array kRunColumns = {
    Column{"RUN", "run_id"},        Column{"NAME", "name"},
    Column{"STATUS", "status"},     Column{"EXPERIMENT", "experiment_id"},
    Column{"START_MS", "start_ms"}, Column{"END_MS", "end_ms"},
    Column{"METRICS", "metrics"}};
constexpr std::array kDiffColumns = {Column{"SECTION", "section"}, Column{"NAME", "name"},
                                     Column{"A", "a"}, Column{"B", "b"}};
constexpr std::array kVerdictColumns = {Column{"VERDICT", "verdict"}, Column{"RUN", "again_run_id"},
                                        Column{"ENVIRONMENT", "environment"}, Column{"BY", "actor"},
                                        Column{"CREATED_MS", "created_ms"}};
constexpr std::array kPairColumns = {Column{"KIND", "kind"}, Column{"NAME", "name"},
                                     Column{"SAME", "same"}, Column{"WAS", "was"},
                                     Column{"NOW", "now"}};

Result<int> list(Call& call, Remote& remote) {
  RunList wanted;
  wanted.filter = call.text("filter");
  wanted.order_by = call.text("order-by");
  wanted.limit = TRY(call.number("limit")).value_or(kListDefault);
  if (wanted.limit < 1 || wanted.limit > kListMax)
    return invalid("usage.number", concat({"--limit is 1 to ", std::to_string(kListMax)}));
  if (call.on("deleted")) wanted.view = "DELETED_ONLY";
  if (call.has("experiment")) {
    wanted.experiment_ids.push_back(
        text_of(TRY(find_experiment(remote, call.text("experiment"))), "experiment_id"));
  } else {
    for (const Json& e : TRY(search_experiments(remote, "ALL")))
      wanted.experiment_ids.push_back(text_of(e, "experiment_id"));
  }
  std::vector<Json> found = TRY(search_runs(remote, wanted));
  print_rows(call, Json::object({{"items", Json::array(std::move(found))}}), kRunColumns);
  return 0;
}

std::string reproductions_path(const Json& run) {
  return concat({"/runs/", percent_encode(text_of(run, "run_id")), "/reproductions"});
}

void print_run(Call& call, const Json& run) {
  const Json* found = run.find("reproductions");
  if (call.on("json") || found == nullptr || found->items().empty()) return print_fields(call, run);
  Json rest = run;
  rest.erase("reproductions");
  print_fields(call, rest);
  call.terminal.out("\n");
  call.terminal.out(table_of(found->items(), kVerdictColumns, call.terminal.out_tty));
}

Result<Json> whole_run(Remote& remote, const std::string& ref) {
  Json run = TRY(find_run(remote, ref));
  const Json page = TRY(remote.all(reproductions_path(run)));
  run.set("reproductions", *page.find("items"));
  return run;
}

// With --watch: again whenever something has changed, until the run ends.
Result<int> show(Call& call, Remote& remote, const Machine& machine) {
  Json run = TRY(whole_run(remote, call.argument(0)));
  print_run(call, run);
  while (call.on("watch") && text_of(run, "status") == "RUNNING") {
    machine.executor.sleep_until(machine.clock.steady_ns() + kWatchNs);
    Json now = TRY(whole_run(remote, text_of(run, "run_id")));
    if (now == run) continue;
    run = std::move(now);
    if (!call.on("json")) call.terminal.out("\n");
    print_run(call, run);
  }
  return 0;
}

Result<RunSide> side_of(Remote& remote, const std::string& ref) {
  RunSide out;
  out.run = TRY(find_run(remote, ref));
  Result<std::string> record = get_artifact(remote, out.run, kCaptureFile);
  if (!record.ok()) {
    // A run without a record still has parameters, metrics and tags.
    const Code code = record.error().code;
    if (code == Code::kNotFound || code == Code::kUnsupported) return out;
    return record.error();
  }
  out.capture = TRY(codec::parse_json(*record));
  Result<std::string> packages = get_artifact(remote, out.run, kPackagesFile);
  if (packages.ok()) out.packages = std::move(*packages);
  return out;
}

Result<int> diff(Call& call, Remote& remote) {
  const RunSide a = TRY(side_of(remote, call.argument(0)));
  const RunSide b = TRY(side_of(remote, call.argument(1)));
  const std::vector<Json> rows = diff_runs(a, b);
  print_rows(call, Json::object({{"items", Json::array(rows)}}), kDiffColumns);
  return rows.empty() ? 0 : kExitChanges;
}

// Variables that decide about bits and that the recorded run didn't have.
std::vector<std::string> not_then(const Machine& machine, const Texts& then) {
  std::vector<std::string> out = {"PYTHONHOME", "PYTHONPATH"};
  const Result<Printed> all = output_of(machine.process, {.argv = {"env", "-0"}}, kToolOutputMax);
  if (!all.ok()) return out;
  for (const auto& [name, value] : determinism_of(all->out))
    if (!then.contains(name)) out.push_back(name);
  return out;
}

Texts recorded_determinism(const Recipe& recipe) {
  Texts out;
  if (const Json* found = recipe.capture.find("determinism"); found && found->is_object())
    for (const auto& [name, value] : found->members())
      if (value.is_string()) out[name] = value.as_string();
  return out;
}

Json evidence_of(const Call& call, const Again& a) {
  Json outputs = Json::array();
  for (const Json& was : a.recipe.capture.find("outputs")->items()) {
    std::string now;
    for (const Json& is : a.tracked.capture.record.find("outputs")->items())
      if (text_of(is, "path") == text_of(was, "path")) now = text_of(is, "sha256");
    outputs.push(Json::object(
        {{"path", text_of(was, "path")}, {"was", text_of(was, "sha256")}, {"now", now}}));
  }
  Json ignored = Json::array();
  for (const std::string& key : call.list("ignore-metric")) ignored.push(key);
  return Json::object({{"again_run_id", text_of(a.tracked.run, "run_id")},
                       {"environment", a.rebuilt.words},
                       {"outputs", std::move(outputs)},
                       {"ignored_metrics", std::move(ignored)}});
}

void print_verdict(Call& call, const Json& found) {
  if (call.on("json")) return print_fields(call, found);
  call.terminal.out(concat({"verdict      ", text_of(found, "verdict"), "\nenvironment  ",
                            text_of(found, "environment"), "\nagain_run_id ",
                            text_of(found, "again_run_id"), "\n"}));
  std::vector<Json> rows;
  for (const auto& [member, name] : {std::pair{"outputs", "path"}, std::pair{"metrics", "key"}})
    if (const Json* items = found.find(member); items != nullptr && items->is_array())
      for (const Json& item : items->items()) {
        Json row = item;
        row.set("kind", member);
        row.set("name", text_of(item, name));
        rows.push_back(std::move(row));
      }
  call.terminal.out(table_of(rows, kPairColumns, call.terminal.out_tty));
}

Status prepare(const Call& call, Remote& remote, const Machine& machine, Again* a) {
  const Recipe& recipe = a->recipe;
  Tracked* again = &a->tracked;
  const std::string code = a->directory + "/code";
  TRY(check_out(machine, recipe, call.text("repo"), code));
  const std::string inner = text_of(recipe.capture, "directory");
  again->directory = inner.empty() ? code : path_in(code, inner);
  TRY(restore_data(machine.fs, remote, recipe, again->directory));
  a->rebuilt = call.text("rebuild") == "off" ? as_it_is(recipe)
                                             : TRY(rebuild(machine, recipe, a->directory, code));
  again->argv = a->rebuilt.argv;
  again->outputs = recorded_paths(recipe.capture, "outputs");
  TRY(check_outputs(again->outputs));
  again->env = recorded_determinism(recipe);
  again->unset = not_then(machine, again->env);
  again->env.insert(a->rebuilt.env.begin(), a->rebuilt.env.end());
  again->capture = TRY(take_capture(machine, remote,
                                    {.argv = again->argv,
                                     .directory = again->directory,
                                     .data = recorded_paths(recipe.capture, "data"),
                                     .outputs = again->outputs,
                                     .interpreter = a->rebuilt.python,
                                     .env = again->env}));
  return {};
}

Result<int> repro(Call& call, Remote& remote, const Machine& machine) {
  Again a;
  a.recipe = TRY(fetch_recipe(remote, call.argument(0)));
  const Json& run = a.recipe.run;
  Scratch scratch = TRY(Scratch::make(machine.fs, machine.process));
  a.directory = scratch.path();
  TRY(prepare(call, remote, machine, &a));
  NewTracked wanted;
  wanted.experiment_id = text_of(run, "experiment_id");
  wanted.name = text_of(run, "name") + " again";
  wanted.user_id = machine.process.env("USER");
  wanted.tags = {{"slipway.reproduces", text_of(run, "run_id")}};
  TRY(begin_run(remote, wanted, &a.tracked));
  // What it prints is no part of the answer.
  Terminal aside{call.terminal.err, call.terminal.err, false};
  Call quiet{aside, call.options, call.arguments};
  TRY(run_tracked(quiet, remote, machine, &a.tracked));
  const Json found = TRY(remote.post(reproductions_path(run), evidence_of(call, a)));
  print_verdict(call, found);
  if (call.on("keep")) {
    scratch.keep();
    call.terminal.err(concat({"kept ", scratch.path(), "\n"}));
  }
  return text_of(found, "verdict") == "different" ? kExitChanges : 0;
}

}  // namespace

void add_runs_commands(Commands& commands, const Machine& machine, const Connect& connect) {
  const auto remote = [connect](auto run) {
    return [connect, run](Call& call) -> Result<int> {
      const std::unique_ptr<Remote> server = TRY(connect(call));
      return run(call, *server);
    };
  };
  const Argument one = {"RUN", "its id, or the beginning of it"};
  commands.add({"runs list",
                "Runs of the project, newest first.",
                {},
                {{"experiment", "NAME", "Of this one only: number or name."},
                 {"filter", "TEXT", "As MLflow's: metrics.auc > 0.9 and params.lr = '0.1'."},
                 {"order-by", "TEXT", "As MLflow's: metrics.auc DESC."},
                 {"limit", "N", "How many [100]."},
                 {"deleted", "", "Those that were deleted instead."}},
                remote(list),
                ""});
  commands.add({"runs show",
                "A run with what it logged, and how often it was reproduced.",
                {one},
                {{"watch", "", "Again whenever it changes, until it ends."}},
                remote([machine](Call& call, Remote& r) { return show(call, r, machine); }),
                ""});
  commands.add({"runs diff",
                "What two runs differ in: params, metrics, tags, code, environment, data, outputs.",
                {{"A", "a run"}, {"B", "another"}},
                {},
                remote(diff),
                "Exits with 10 when they differ."});
  commands.add(
      {"runs repro",
       "Does a run again in a clean directory and compares what comes out.",
       {one},
       {{"repo", "PATH", "A repository that has the commit [the recorded one]."},
        {"rebuild", "", "Build the environment anew [on]; --no-rebuild: use what is here."},
        {"ignore-metric", "KEY", "One that may differ, as a duration does. Repeat.", false, true},
        {"keep", "", "Leave the directory in place."}},
       remote([machine](Call& call, Remote& r) { return repro(call, r, machine); }),
       "The verdict is the server's and stays with the run: bit-identical (every file and "
       "metric),\n"
       "metric-identical (every metric, not every file) or different, which exits with 10."});
}

}  // namespace slip::cli
