#include "cli/tracked.h"

#include <utility>

#include "base/text.h"
#include "cli/files.h"
#include "sys/clock.h"
#include "sys/command.h"
#include "sys/fs.h"

namespace slip::cli {
namespace {

using codec::Json;

constexpr int kSignalBase = 128;
constexpr size_t kDigestMax = 36;  // Of MLflow's datasets; the whole one is a tag beside it.

Status name_data(Remote& remote, const Tracked& tracked) {
  Json datasets = Json::array();
  for (const Json& data : tracked.capture.record.find("data")->items()) {
    const std::string sha256 = text_of(data, "sha256");
    const bool local = !text_of(data, "at").empty();
    const auto tag = [](std::string_view key, std::string_view value) {
      return Json::object({{"key", key}, {"value", value}});
    };
    datasets.push(Json::object(
        {{"dataset", Json::object({{"name", text_of(data, "path")},
                                   {"digest", sha256.substr(0, kDigestMax)},
                                   {"source_type", local ? "local" : "slipway"},
                                   {"source", text_of(data, local ? "at" : "path")}})},
         {"tags",
          Json::array({tag("mlflow.data.context", "training"), tag("slipway.sha256", sha256)})}}));
  }
  if (datasets.items().empty()) return {};
  TRY(mlflow_post(remote, "runs/log-inputs",
                  Json::object({{"run_id", text_of(tracked.run, "run_id")},
                                {"datasets", std::move(datasets)}})));
  return {};
}

// Where the command finds its run, for MLflow's client and for ours.
Texts told(const Call& call, const Remote& remote, const Machine& machine, const Tracked& t) {
  Texts env = t.env;
  const std::string run_id = text_of(t.run, "run_id");
  env["MLFLOW_TRACKING_URI"] = env["SLIPWAY_URL"] = remote.url();
  env["MLFLOW_RUN_ID"] = env["SLIPWAY_RUN_ID"] = env["SLIPWAY_CAPTURED"] = run_id;
  env["MLFLOW_EXPERIMENT_ID"] = text_of(t.run, "experiment_id");
  if (const std::string token = machine.process.env("SLIPWAY_TOKEN"); !token.empty())
    env["MLFLOW_TRACKING_TOKEN"] = token;
  const std::string project =
      call.has("project") ? call.text("project") : machine.process.env("SLIPWAY_PROJECT");
  if (!project.empty()) env["MLFLOW_WORKSPACE"] = env["SLIPWAY_PROJECT"] = project;
  return env;
}

// `env -u` takes variables away, which a spawn can't.
std::vector<std::string> command_of(const Tracked& t) {
  if (t.unset.empty()) return t.argv;
  std::vector<std::string> argv = {"env"};
  for (const std::string& name : t.unset) argv.insert(argv.end(), {"-u", name});
  argv.insert(argv.end(), t.argv.begin(), t.argv.end());
  return argv;
}

struct Logs {
  std::unique_ptr<File> file;
  Status broken;
  void keep(std::string_view piece) {
    if (broken.ok()) broken = file->append(piece);
  }
};

Result<Finished> spawn(Call& call, Remote& remote, const Machine& machine, const Tracked& t,
                       const std::string& logs) {
  Logs out;
  Logs err;
  out.file = TRY(machine.fs.open(logs + "/stdout.log", OpenMode::kTruncate));
  err.file = TRY(machine.fs.open(logs + "/stderr.log", OpenMode::kTruncate));
  const Finished finished = TRY(run_command(
      machine.process,
      {.argv = command_of(t), .env = told(call, remote, machine, t), .cwd = t.directory},
      [&](std::string_view piece) {
        call.terminal.out(piece);
        out.keep(piece);
      },
      [&](std::string_view piece) {
        call.terminal.err(piece);
        err.keep(piece);
      }));
  TRY(out.broken);
  TRY(err.broken);
  return finished;
}

Outcome outcome_of(const Finished& finished) {
  Outcome out;
  out.exit = finished.exit.signal != 0 ? kSignalBase + finished.exit.signal : finished.exit.code;
  const bool stopped = finished.stop_signal != 0 && out.exit != 0;
  out.status = finished.exit.signal != 0 || stopped ? "KILLED"
               : out.exit == 0                      ? "FINISHED"
                                                    : "FAILED";
  return out;
}

Status keep_outputs(Remote& remote, Fs& fs, Tracked* t, Outcome* outcome) {
  Json outputs = Json::array();
  for (const std::string& path : t->outputs) {
    const std::string at = path_in(t->directory, path);
    const Result<FileDigest> digest = digest_file(fs, at);
    if (!digest.ok()) {
      outcome->missing.push_back(path);
      outputs.push(Json::object({{"path", path}, {"sha256", ""}, {"bytes", 0}}));
      continue;
    }
    TRY(put_file(remote, t->run, "outputs/" + path, fs, at));
    outputs.push(Json::object(
        {{"path", path}, {"at", at}, {"sha256", digest->sha256}, {"bytes", digest->bytes}}));
  }
  t->capture.record.set("outputs", std::move(outputs));
  if (!outcome->missing.empty() && outcome->exit == 0) {
    outcome->status = "FAILED";
    outcome->exit = 1;
  }
  return {};
}

Status end_run(Remote& remote, const std::string& run_id, const std::string& status,
               int64_t now_ms) {
  TRY(mlflow_post(remote, "runs/update",
                  Json::object({{"run_id", run_id}, {"status", status}, {"end_time", now_ms}})));
  return {};
}

}  // namespace

Status check_outputs(const std::vector<std::string>& outputs) {
  for (const std::string& path : outputs) {
    bool leaves = path.empty() || path.starts_with('/');
    for (const std::string_view part : split(path, '/'))
      leaves = leaves || part == ".." || part.empty() || part == ".";
    if (leaves)
      return invalid("usage.output",
                     concat({"--out '", path, "' must lie below the working directory"}))
          .with_hint("name it as the command does: --out models/model.onnx");
  }
  return {};
}

Status begin_run(Remote& remote, const NewTracked& wanted, Tracked* t) {
  Json tags = Json::array();
  Texts all = capture_tags(t->capture.record);
  all.insert(wanted.tags.begin(), wanted.tags.end());
  if (!wanted.user_id.empty()) all["mlflow.user"] = wanted.user_id;
  for (const auto& [key, value] : all) tags.push(Json::object({{"key", key}, {"value", value}}));
  Json body = Json::object({{"experiment_id", wanted.experiment_id},
                            {"start_time", *t->capture.record.find("captured_ms")},
                            {"user_id", wanted.user_id},
                            {"tags", std::move(tags)}});
  if (!wanted.name.empty()) body.set("run_name", wanted.name);
  const Json made = TRY(mlflow_post(remote, "runs/create", body));
  const Json* run = made.find("run");
  if (run == nullptr) return internal("server.bad_reply", "the new run isn't in the answer");
  t->run = flat_run(*run);
  TRY(name_data(remote, *t));
  for (const auto& [path, text] : t->capture.files) TRY(put_artifact(remote, t->run, path, text));
  return put_artifact(remote, t->run, kCaptureFile, codec::to_json(t->capture.record, 1));
}

Result<Outcome> run_tracked(Call& call, Remote& remote, const Machine& machine, Tracked* t) {
  const std::string run_id = text_of(t->run, "run_id");
  const Scratch logs = TRY(Scratch::make(machine.fs, machine.process));
  const Result<Finished> finished = spawn(call, remote, machine, *t, logs.path());
  if (!finished.ok()) {
    ignore(end_run(remote, run_id, "FAILED", machine.clock.now_ms()), "the first error counts");
    return finished.error();
  }
  const int64_t ended_ms = machine.clock.now_ms();
  Outcome outcome = outcome_of(*finished);
  for (const char* name : {"stdout.log", "stderr.log"})
    TRY(put_file(remote, t->run, concat({"slipway/", name}), machine.fs,
                 concat({logs.path(), "/", name})));
  TRY(keep_outputs(remote, machine.fs, t, &outcome));
  t->capture.record.set("exit",
                        Json::object({{"code", outcome.exit}, {"signal", finished->exit.signal}}));
  TRY(put_artifact(remote, t->run, kCaptureFile, codec::to_json(t->capture.record, 1)));
  TRY(log_texts(remote, run_id, "tags", {{"slipway.exit_code", std::to_string(outcome.exit)}}));
  TRY(end_run(remote, run_id, outcome.status, ended_ms));
  return outcome;
}

}  // namespace slip::cli
