#include <array>
#include <cmath>
#include <map>
#include <utility>

#include "base/text.h"
#include "cli/print.h"
#include "cli/rest.h"
#include "store/foreign.h"

// migrate mlflow: reads an MLflow SQLite store here and sends it to the server in small pieces,
// each of which may be sent again.
namespace slip::cli {
namespace {

using codec::Json;
using store::Row;

constexpr size_t kPointsAtOnce = 1000;
constexpr int kExitDiffers = 8;

constexpr std::array kColumns = {Column{"KIND", "kind"},         Column{"SOURCE", "source"},
                                 Column{"IMPORTED", "imported"}, Column{"SAME", "same"},
                                 Column{"UPDATED", "updated"},   Column{"DIFFERS", "differs"},
                                 Column{"SKIPPED", "skipped"}};

// What is counted and said, and stays behind.
constexpr std::array<std::string_view, 10> kLeft = {
    "registered_models",   "model_versions", "datasets",    "inputs",
    "logged_models",       "trace_info",     "assessments", "scorers",
    "evaluation_datasets", "webhooks"};

struct Counts {
  std::map<std::string, int64_t> states;
  int64_t source = 0;
  int64_t skipped = 0;
};

class Migration {
 public:
  Migration(Call& call, Remote& remote, store::ForeignDb& source)
      : call_(call), remote_(remote), source_(source), dry_(call.on("dry-run")) {}

  Result<int> all() {
    TRY(experiments());
    TRY(runs());
    return report();
  }

 private:
  Result<Json> pairs(std::string_view sql, const std::string& of) {
    Json out = Json::object();
    const std::array<std::string, 1> args = {of};
    TRY(source_.each(sql, args, [&](const Row& row) { out.set(row.str(0), row.str(1)); }));
    return out;
  }

  // The answer's row; null on a dry run.
  Result<Json> send(const std::string& kind, const std::string& name, Json item) {
    Counts& counts = counts_[kind];
    ++counts.source;
    if (dry_) return Json();
    Json body = Json::object({{"update", call_.on("update")}});
    body.set("items", Json::array({std::move(item)}));
    const Json answer = TRY(remote_.post(concat({"/imports/mlflow/", kind}), body));
    const Json* items = answer.find("items");
    if (items == nullptr || !items->is_array() || items->items().size() != 1)
      return internal("migrate.answer", "the server's answer isn't understood");
    Json one = items->items()[0];
    const std::string state = TRY(codec::want_string(one, "state"));
    ++counts.states[state];
    if (state != "differs") return one;
    const std::string what = TRY(codec::string_or(one, "differing", ""));
    call_.terminal.err(concat({kind, " ", name, ": ", what, " differs\n"}));
    return one;
  }

  Status experiments() {
    std::vector<Json> found;
    TRY(
        source_.each("SELECT experiment_id, name, artifact_location, lifecycle_stage,"
                     " creation_time, last_update_time FROM experiments ORDER BY experiment_id",
                     {}, [&](const Row& row) {
                       found.push_back(Json::object({{"experiment_id", row.i64(0)},
                                                     {"name", row.str(1)},
                                                     {"artifact_location", row.str(2)},
                                                     {"lifecycle_stage", row.str(3)},
                                                     {"created_ms", row.i64(4)},
                                                     {"updated_ms", row.i64(5)}}));
                     }));
    for (Json& e : found) {
      const int64_t id = TRY(codec::want_int(e, "experiment_id"));
      e.set("tags", TRY(pairs("SELECT key, COALESCE(value, '') FROM experiment_tags"
                              " WHERE experiment_id = CAST(? AS INTEGER)",
                              std::to_string(id))));
      const std::string name = TRY(codec::want_string(e, "name"));
      const Json done = TRY(send("experiments", name, std::move(e)));
      ids_[id] = done.is_null() ? id : TRY(codec::want_int(done, "experiment_id"));
    }
    return {};
  }

  Status runs() {
    std::vector<Json> found;
    TRY(
        source_.each("SELECT run_uuid, experiment_id, name, user_id, status, start_time, end_time,"
                     " lifecycle_stage, artifact_uri FROM runs ORDER BY start_time, run_uuid",
                     {}, [&](const Row& row) {
                       Json run = Json::object({{"run_id", row.str(0)},
                                                {"experiment_id", ids_[row.i64(1)]},
                                                {"name", row.str(2)},
                                                {"user_id", row.str(3)},
                                                {"status", row.str(4)},
                                                {"start_ms", row.i64(5)},
                                                {"lifecycle_stage", row.str(7)},
                                                {"artifact_uri", row.str(8)}});
                       if (!row.is_null(6)) run.set("end_ms", row.i64(6));
                       found.push_back(std::move(run));
                     }));
    for (Json& run : found) {
      const std::string id = TRY(codec::want_string(run, "run_id"));
      run.set("params", TRY(pairs("SELECT key, value FROM params WHERE run_uuid = ?", id)));
      run.set("tags",
              TRY(pairs("SELECT key, COALESCE(value, '') FROM tags WHERE run_uuid = ?", id)));
      TRY(send("runs", id, std::move(run)));
      TRY(points(id));
    }
    return {};
  }

  Status points(const std::string& run_id) {
    std::vector<Json> waiting;
    Status failed;
    const std::array<std::string, 1> args = {run_id};
    TRY(source_.each("SELECT key, value, is_nan, timestamp, step FROM metrics WHERE run_uuid = ?",
                     args, [&](const Row& row) {
                       const double value = row.i64(2) != 0 ? std::nan("") : row.f64(1);
                       waiting.push_back(Json::object({{"key", row.str(0)},
                                                       {"value", value},
                                                       {"timestamp_ms", row.i64(3)},
                                                       {"step", row.i64(4)}}));
                       if (waiting.size() == kPointsAtOnce && failed.ok())
                         failed = send_points(run_id, &waiting);
                     }));
    TRY(failed);
    return send_points(run_id, &waiting);
  }

  Status send_points(const std::string& run_id, std::vector<Json>* points) {
    Counts& counts = counts_["metrics"];
    counts.source += static_cast<int64_t>(points->size());
    std::vector<Json> batch = std::exchange(*points, {});
    if (batch.empty() || dry_) return {};
    Json body = Json::object({{"run_id", run_id}});
    body.set("points", Json::array(std::move(batch)));
    const Json answer = TRY(remote_.post("/imports/mlflow/metrics", body));
    counts.states["imported"] += TRY(codec::want_int(answer, "imported"));
    counts.states["same"] += TRY(codec::want_int(answer, "same"));
    return {};
  }

  Result<int> report() {
    for (const std::string_view table : kLeft) {
      int64_t n = 0;
      // An older MLflow has not all of these tables.
      const Status read = source_.each(concat({"SELECT COUNT(*) FROM ", table}), {},
                                       [&](const Row& row) { n = row.i64(0); });
      if (!read.ok() || n == 0) continue;
      counts_[std::string(table)].source = counts_[std::string(table)].skipped = n;
      call_.terminal.err(concat({table, ": ", std::to_string(n), " not imported\n"}));
    }
    Json rows = Json::array();
    int64_t differing = 0;
    for (auto& [kind, counts] : counts_) {
      Json row = Json::object({{"kind", kind}, {"source", counts.source}});
      for (const char* state : {"imported", "same", "updated", "differs"})
        row.set(state, counts.states[state]);
      row.set("skipped", counts.skipped);
      rows.push(std::move(row));
      differing += counts.states["differs"];
    }
    print_rows(call_, Json::object({{"items", std::move(rows)}}), kColumns);
    return differing > 0 ? kExitDiffers : 0;
  }

  Call& call_;
  Remote& remote_;
  store::ForeignDb& source_;
  const bool dry_;
  std::map<int64_t, int64_t> ids_;  // Of experiments: there to here.
  std::map<std::string, Counts> counts_;
};

Result<std::string> path_of(const std::string& source) {
  constexpr std::string_view kScheme = "sqlite:///";
  if (source.starts_with(kScheme)) return source.substr(kScheme.size());
  if (source.find("://") == std::string::npos) return source;
  return unsupported("migrate.source", "the source is a SQLite file: PATH or sqlite:///PATH");
}

}  // namespace

void add_migrate_commands(Commands& commands, const Connect& connect) {
  commands.add({"migrate mlflow",
                "Takes over experiments, runs, parameters, tags and metrics of an MLflow store.",
                {{"SRC", "its SQLite file: PATH or sqlite:///PATH"}},
                {{"dry-run", "", "Only reads and counts."},
                 {"update", "", "What is here with other values gets those of the source."}},
                [connect](Call& call) -> Result<int> {
                  const std::string path = TRY(path_of(call.argument(0)));
                  const auto source = TRY(store::ForeignDb::open(path));
                  const std::unique_ptr<Remote> server = TRY(connect(call));
                  return Migration(call, *server, *source).all();
                },
                "May be run again at any time. Exit code 8: something here differs from the source "
                "and was left as it is."});
}

}  // namespace slip::cli
