#include <array>

#include "base/text.h"
#include "cli/print.h"
#include "cli/rest.h"

namespace slip::cli {
namespace {

using codec::Json;

constexpr std::array kDeploymentColumns = {
    Column{"DEPLOYMENT", "name"}, Column{"STATE", "state"},         Column{"MODEL", "model"},
    Column{"TARGET", "target"},   Column{"CANARY", "canary.state"},
};
constexpr std::array kArmColumns = {
    Column{"ARM", "role"},
    Column{"VERSION", "version"},
    Column{"WEIGHT", "weight"},
    Column{"REQUESTS", "requests"},
    Column{"ERRORS", "errors"},
    Column{"P50_US", "latency_us.p50"},
    Column{"P99_US", "latency_us.p99"},
};
constexpr std::array kDriftColumns = {
    Column{"WINDOW", "window"}, Column{"FEATURE", "name"}, Column{"PSI", "psi"},
    Column{"JS", "js"},         Column{"ALARM", "alarm"},
};
constexpr std::array kPerformanceColumns = {
    Column{"WINDOW", "window"},
    Column{"LABELLED", "n_labeled"},
    Column{"ACCURACY", "accuracy"},
};
constexpr std::array kAlertColumns = {
    Column{"KIND", "kind"},           Column{"DEPLOYMENT", "deployment"},
    Column{"FEATURE", "feature"},     Column{"VALUE", "value"},
    Column{"THRESHOLD", "threshold"}, Column{"WINDOW", "window"},
    Column{"FIRED_US", "fired_us"},   Column{"RESOLVED_US", "resolved_us"},
    Column{"EVENT", "event_seq"},
};

std::string at(const Call& call) {
  return concat({"/deployments/", percent_encode(call.argument(0))});
}

void print_deployment(Call& call, const Json& deployment) {
  const Json* arms = deployment.find("arms");
  if (call.on("json") || arms == nullptr || !arms->is_array())
    return print_fields(call, deployment);
  call.terminal.out(table_of(arms->items(), kArmColumns, call.terminal.out_tty));
  if (const Json* canary = deployment.find("canary"); canary != nullptr && canary->is_object())
    call.terminal.out(concat({"canary  ", cell_of(canary), "\n"}));
}

Result<int> put(Call& call, Remote& remote) {
  Json body = Json::object({{"model", call.text("model")}});
  if (const std::optional<int64_t> version = TRY(call.number("version")))
    body.set("version", *version);
  for (const std::string_view key : {"alias", "stage", "log_ack"}) {
    std::string option(key);
    for (char& c : option) c = c == '_' ? '-' : c;
    if (call.has(option)) body.set(key, call.text(option));
  }
  if (const std::optional<int64_t> ttl_ms = TRY(call.number("cache-ttl-ms")))
    body.set("cache_ttl_ms", *ttl_ms);
  print_deployment(call, TRY(remote.call(http::Method::kPut, at(call), &body)));
  return 0;
}

Result<int> canary(Call& call, Remote& remote) {
  const std::optional<double> weight = parse_double(call.text("weight", "0.1"));
  const std::optional<double> alpha = parse_double(call.text("alpha", "0.01"));
  if (!weight || !alpha) return invalid("usage.number", "--weight and --alpha want numbers");
  const std::optional<int64_t> version = TRY(call.number("version"));
  Json body = Json::object({{"version", *version}, {"weight", *weight}});
  if (call.text("guard", "on") != "off")
    body.set("guard", Json::object({{"kind", "label_errors"}, {"alpha", *alpha}}));
  print_deployment(call, TRY(remote.post(at(call) + "/canary", body)));
  return 0;
}

// One row per window and feature, so that a line says one thing.
Json by_feature(const Json& page) {
  std::vector<Json> rows;
  for (const Json& window : page.find("items")->items()) {
    const Json* features = window.find("features");
    if (features == nullptr || !features->is_array()) continue;
    for (Json feature : features->items()) {
      if (const Json* n = window.find("window")) feature.set("window", *n);
      rows.push_back(std::move(feature));
    }
  }
  return Json::object({{"items", Json::array(std::move(rows))}});
}

Result<int> drift(Call& call, Remote& remote) {
  const std::string limit = call.text("limit", "500");
  const Json page = TRY(remote.get(concat({at(call), "/drift", query_of({{"limit", limit}})})));
  const Json* items = page.find("items");
  const bool rows = items != nullptr && items->is_array();
  print_rows(call, call.on("json") || !rows ? page : by_feature(page), kDriftColumns);
  return 0;
}

const std::vector<Argument> kName = {{"DEPLOYMENT", "its name"}};

template <class Run>
auto with_server(const Connect& connect, Run run) {
  return [connect, run](Call& call) -> Result<int> {
    const std::unique_ptr<Remote> server = TRY(connect(call));
    return run(call, *server);
  };
}

void add_changes(Commands& commands, const Connect& connect) {
  commands.add({"deploy apply",
                "Serves a version, or whatever an alias or a stage names.",
                kName,
                {{"model", "MODEL", "Which model.", true},
                 {"version", "N", "This version."},
                 {"alias", "ALIAS", "What the alias names, now and later."},
                 {"stage", "STAGE", "What holds the stage, now and later."},
                 {"log-ack", "WHEN", "kernel (default), disk or none."},
                 {"cache-ttl-ms", "MS", "Give an answer again for so long [0: never]."}},
                with_server(connect, put),
                ""});
  commands.add({"deploy canary",
                "Gives a second version a part of the traffic.",
                kName,
                {{"version", "N", "Which version.", true},
                 {"weight", "SHARE", "Of the requests, 0 to 1 [0.1]."},
                 {"alpha", "P", "Chance that an equally good one is taken back [0.01]."},
                 {"guard", "", "Take it back by itself when its errors say so [on]."}},
                with_server(connect, canary),
                ""});
  commands.add({"deploy promote",
                "The canary takes all of the traffic.",
                kName,
                {},
                with_server(connect,
                            [](Call& call, Remote& r) -> Result<int> {
                              print_deployment(
                                  call, TRY(r.post(at(call) + "/canary/promote", Json::object())));
                              return 0;
                            }),
                ""});
  commands.add({"deploy rollback",
                "Takes the canary back, or returns to the version before.",
                kName,
                {{"reason", "TEXT", "Kept in the ledger.", true}},
                with_server(connect,
                            [](Call& call, Remote& r) -> Result<int> {
                              const Json body = Json::object({{"reason", call.text("reason")}});
                              print_deployment(call, TRY(r.post(at(call) + "/rollback", body)));
                              return 0;
                            }),
                ""});
  commands.add({"deploy delete",
                "Stops serving.",
                kName,
                {},
                with_server(connect,
                            [](Call& call, Remote& r) -> Result<int> {
                              TRY(r.call(http::Method::kDelete, at(call), nullptr));
                              return 0;
                            }),
                ""});
}

}  // namespace

void add_deployment_commands(Commands& commands, const Connect& connect) {
  commands.add({"deploy list",
                "What answers requests.",
                {},
                {},
                with_server(connect,
                            [](Call& call, Remote& r) -> Result<int> {
                              print_rows(call, TRY(r.all("/deployments")), kDeploymentColumns);
                              return 0;
                            }),
                ""});
  commands.add({"deploy show",
                "The live split, arm by arm, and the canary.",
                kName,
                {},
                with_server(connect,
                            [](Call& call, Remote& r) -> Result<int> {
                              print_deployment(call, TRY(r.get(at(call))));
                              return 0;
                            }),
                ""});
  add_changes(commands, connect);
  commands.add({"monitor drift",
                "Drift by window and feature.",
                kName,
                {{"limit", "N", "Windows, the newest ones [500]."}},
                with_server(connect, drift),
                ""});
  commands.add({"monitor performance",
                "Accuracy by window, against the labels that joined.",
                kName,
                {},
                with_server(connect,
                            [](Call& call, Remote& r) -> Result<int> {
                              print_rows(call, TRY(r.get(at(call) + "/performance")),
                                         kPerformanceColumns);
                              return 0;
                            }),
                ""});
  commands.add({"alert list",
                "Alerts, firing and resolved.",
                {},
                {{"deployment", "NAME", "Of this deployment only."}},
                with_server(connect,
                            [](Call& call, Remote& r) -> Result<int> {
                              const std::string query =
                                  query_of({{"deployment", call.text("deployment")}});
                              print_rows(call, TRY(r.all("/alerts" + query)), kAlertColumns);
                              return 0;
                            }),
                ""});
}

}  // namespace slip::cli
