#include <array>

#include "base/text.h"
#include "cli/print.h"
#include "cli/rest.h"

namespace slip::cli {
namespace {

using codec::Json;

constexpr std::array kModelColumns = {
    Column{"MODEL", "name"},
    Column{"PRODUCTION", "stages.Production"},
    Column{"VERSIONS", "versions_count"},
    Column{"LATEST", "latest_version"},
    Column{"ALIASES", "aliases"},
    Column{"DEPLOYMENTS", "deployments"},
};
constexpr std::array kVersionColumns = {
    Column{"VERSION", "version"}, Column{"STAGE", "stage"},   Column{"GATE", "gate.passed"},
    Column{"ALIASES", "aliases"}, Column{"BY", "created_by"}, Column{"DIGEST", "digest"},
};
constexpr std::array kHistoryColumns = {
    Column{"KIND", "kind"},       Column{"TARGET", "target"},
    Column{"VERSION", "version"}, Column{"FROM_MS", "from_ms"},
    Column{"TO_MS", "to_ms"},     Column{"APPROVALS", "policy.approvals"},
    Column{"BY", "actor"},        Column{"REASON", "reason"},
};
constexpr std::array kCheckColumns = {
    Column{"CHECK", "name"},    Column{"VALUE", "value"},   Column{"THRESHOLD", "threshold"},
    Column{"PASSED", "passed"}, Column{"DETAIL", "detail"},
};

// "accuracy=0.75,f1=0.6" → checks of one kind.
Status add_checks(std::vector<Json>* checks, std::string_view list, std::string_view kind,
                  std::string_view bound) {
  if (list.empty()) return {};
  for (const std::string_view part : split(list, ',')) {
    const size_t equals = part.find('=');
    const std::optional<double> value =
        equals == part.npos ? std::nullopt : parse_double(part.substr(equals + 1));
    if (!value) return invalid("usage.check", concat({"'", part, "' isn't METRIC=NUMBER"}));
    checks->push_back(Json::object(
        {{"kind", kind}, {"metric", trim(part.substr(0, equals))}, {std::string(bound), *value}}));
  }
  return {};
}

Result<int> gate(Call& call, Remote& remote) {
  std::vector<Json> checks;
  TRY(add_checks(&checks, call.text("floor"), "floor", "min"));
  TRY(add_checks(&checks, call.text("champion"), "champion", "max_regression"));
  Json body = Json::object();  // No checks: those of the policy.
  if (!checks.empty()) body.set("checks", Json::array(std::move(checks)));
  const Json judged = TRY(remote.post(concat({TRY(at_version(call)), "/gate"}), body));
  if (call.on("json")) {
    print_fields(call, judged);
  } else if (const Json* rows = judged.find("checks"); rows != nullptr && rows->is_array()) {
    call.terminal.out(table_of(rows->items(), kCheckColumns, call.terminal.out_tty));
  }
  return TRY(codec::want_bool(judged, "passed")) ? 0 : kExitGate;
}

// On a terminal a gate and approvals are a word each: `gate explain` and --json tell them whole.
void print_version(Call& call, Json version) {
  if (!call.on("json")) {
    if (const Json* gate = version.find("gate"); gate && gate->is_object()) {
      const Json* checks = gate->find("checks");
      const size_t count = checks && checks->is_array() ? checks->items().size() : 0;
      const Json* passed = gate->find("passed");
      version.set("gate", concat({passed && passed->is_bool() && passed->as_bool() ? "passed, "
                                                                                   : "failed, ",
                                  std::to_string(count), count == 1 ? " check" : " checks"}));
    }
    if (const Json* given = version.find("approvals"); given && given->is_array()) {
      Json words = Json::array();
      for (const Json& one : given->items())
        words.push(concat({cell_of(one.find("decision")), " by ", cell_of(one.find("actor"))}));
      version.set("approvals", std::move(words));
    }
  }
  print_fields(call, version);
}

Result<int> show_version(Call& call, Remote& remote, const std::string& path) {
  Json version = TRY(remote.get(concat({path, query_of({{"to", call.text("to")}})})));
  if (call.on("json")) {
    print_fields(call, version);
    return 0;
  }
  const Json* found = version.find("actions");
  const Json actions = found ? *found : Json::array();
  version.erase("actions");
  print_version(call, std::move(version));
  call.terminal.out("\n");
  print_actions(call, actions);
  return 0;
}

// MODEL@N and MODEL@ALIAS name a version too.
Result<int> show_named(Call& call, Remote& remote, const std::string& text, size_t mark) {
  const std::string at = "/models/" + percent_encode(text.substr(0, mark));
  std::string version = text.substr(mark + 1);
  if (!parse_int(version)) {
    const Json model = TRY(remote.get(at));
    const Json* aliases = model.find("aliases");
    const Json* held = aliases ? aliases->find(version) : nullptr;
    if (!held || !held->is_int())
      return not_found("model_alias.not_found", concat({"no version of ", text.substr(0, mark),
                                                        " has the alias ", version}));
    version = std::to_string(held->as_int());
  }
  return show_version(call, remote, concat({at, "/versions/", version}));
}

Result<int> show(Call& call, Remote& remote) {
  if (!call.argument(1).empty()) return show_version(call, remote, TRY(at_version(call)));
  const std::string text = call.argument(0);
  if (const size_t mark = text.rfind('@'); mark != text.npos && mark > 0)
    return show_named(call, remote, text, mark);
  const Json model = TRY(remote.get(at_model(call)));
  const Json* versions = model.find("versions");
  if (call.on("json") || versions == nullptr || !versions->is_array()) {
    print_fields(call, model);
  } else {
    call.terminal.out(table_of(versions->items(), kVersionColumns, call.terminal.out_tty));
  }
  return 0;
}

Result<int> decide(Call& call, Remote& remote, std::string_view verb) {
  Json body = Json::object({{"comment", call.text("comment")}});
  if (call.has("to")) body.set("to", call.text("to"));
  if (call.on("apply")) body.set("apply", true);
  print_version(call, TRY(remote.post(concat({TRY(at_version(call)), "/", verb}), body)));
  return 0;
}

Result<int> history(Call& call, Remote& remote) {
  const std::string query = query_of({{"at", call.text("at")}, {"kind", call.text("kind")}});
  print_rows(call, TRY(remote.all(concat({at_model(call), "/timeline", query}))), kHistoryColumns);
  return 0;
}

const std::vector<Argument> kModel = {{"MODEL", "name of the model"}};
const std::vector<Argument> kModelVersion = {{"MODEL", "name of the model"},
                                             {"VERSION", "its number"}};

// What moves versions.
void add_moves(Commands& commands, const Connect& connect) {
  const auto remote = [connect](auto run) {
    return [connect, run](Call& call) -> Result<int> {
      const std::unique_ptr<Remote> server = TRY(connect(call));
      return run(call, *server);
    };
  };
  commands.add({"model promote",
                "Moves a version into a stage.",
                kModelVersion,
                {{"stage", "STAGE", "Production (default), another stage, or @ALIAS."}},
                remote([](Call& call, Remote& r) -> Result<int> {
                  const Json body = Json::object({{"stage", call.text("stage", "Production")}});
                  print_version(call,
                                TRY(r.post(concat({TRY(at_version(call)), "/promote"}), body)));
                  return 0;
                }),
                ""});
  commands.add({"model rollback",
                "Brings back what held production before, and whatever serves it.",
                kModel,
                {{"reason", "TEXT", "Kept in the history.", true},
                 {"stage", "STAGE", "Another stage than Production."}},
                remote([](Call& call, Remote& r) -> Result<int> {
                  Json body = Json::object({{"reason", call.text("reason")}});
                  if (call.has("stage")) body.set("stage", call.text("stage"));
                  print_version(call, TRY(r.post(at_model(call) + "/rollback", body)));
                  return 0;
                }),
                ""});
}

}  // namespace

void add_model_commands(Commands& commands, const Connect& connect) {
  const auto remote = [connect](auto run) {
    return [connect, run](Call& call) -> Result<int> {
      const std::unique_ptr<Remote> server = TRY(connect(call));
      return run(call, *server);
    };
  };
  commands.add({"model list",
                "Models with the version in production.",
                {},
                {},
                remote([](Call& call, Remote& r) -> Result<int> {
                  print_rows(call, TRY(r.all("/models")), kModelColumns);
                  return 0;
                }),
                ""});
  commands.add({"model show",
                "A model's versions, or one of them.",
                {{"MODEL", "name of the model, or MODEL@VERSION or MODEL@ALIAS"},
                 {"VERSION", "its number", false}},
                {{"to", "TARGET", "Where to it may go next: a stage, or @ALIAS [Production]."}},
                remote(show),
                "Of a version also what you may do with it next, and why not."});
  commands.add({"model history",
                "Which version held which stage and alias when, by whom, why; and the policies.",
                kModel,
                {{"at", "TIME", "Only what was so at that moment: 2026-11-23T05:53:00Z."},
                 {"kind", "KIND", "Only stage, alias or policy."}},
                remote(history),
                "Newest first. --json tells each policy in full."});
  commands.add({"model gate",
                "Judges a version by the metrics of its run, or by the checks of its policy.",
                kModelVersion,
                {{"floor", "METRIC=MIN,…", "Least value of a metric."},
                 {"champion", "METRIC=LOSS,…", "Most that it may lose against production."}},
                remote(gate),
                "Exits with 6 when a check fails."});
  const Option comment = {"comment", "TEXT", "Kept with the decision."};
  const Option to = {"to", "TARGET", "A stage, or @ALIAS [Production]."};
  commands.add({"model approve",
                "Vouches for a version that somebody else made.",
                kModelVersion,
                {comment, to, {"apply", "", "Move the version once everything holds."}},
                remote([](Call& c, Remote& r) { return decide(c, r, "approve"); }),
                "Nobody asked yet: the request is opened in the name of who registered it."});
  commands.add({"model reject",
                "Closes the request that a version enter a stage.",
                kModelVersion,
                {comment, to},
                remote([](Call& c, Remote& r) { return decide(c, r, "reject"); }),
                ""});
  add_moves(commands, connect);
}

}  // namespace slip::cli
