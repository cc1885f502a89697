#include <array>
#include <map>

#include "base/text.h"
#include "cli/print.h"
#include "cli/rest.h"
#include "core/sign/sign.h"
#include "sys/clock.h"
#include "sys/fs.h"

namespace slip::cli {
namespace {

using codec::Json;

constexpr std::array kConditionColumns = {Column{"CONDITION", "condition"}, Column{"OK", "ok"},
                                          Column{"DETAIL", "detail"}};
constexpr std::array kCheckColumns = {
    Column{"CHECK", "name"},
    Column{"VALUE", "value"},
    Column{"THRESHOLD", "threshold"},
    Column{"CHAMPION", "champion_value"},
    Column{"DIFFERENCE", "difference"},
    Column{"LOWER", "lower"},
    Column{"UPPER", "upper"},
    Column{"P", "p"},
    Column{"N", "n"},
    Column{"PASSED", "passed"},
    Column{"WAIVED UNTIL", "waiver.expires_ms"},
    Column{"WAIVED FOR", "waiver.reason"},
    Column{"DETAIL", "detail"},
};
constexpr std::array kSliceColumns = {
    Column{"CHECK", "check"},
    Column{"SLICE", "slice"},
    Column{"VALUE", "value"},
    Column{"CHAMPION", "champion_value"},
    Column{"DIFFERENCE", "difference"},
    Column{"LOWER", "lower"},
    Column{"UPPER", "upper"},
    Column{"P", "p"},
    Column{"N", "n"},
    Column{"STATE", "state"},
};
constexpr std::array kFileColumns = {Column{"CHECK", "check"}, Column{"FILE", "role"},
                                     Column{"DATASET", "dataset"}, Column{"VERSION", "version"},
                                     Column{"DIGEST", "digest"}};
constexpr std::array kSignatureColumns = {
    Column{"CHECK", "check"},       Column{"VERIFIED", "verified"}, Column{"WHY NOT", "reason"},
    Column{"TYPE", "payload_type"}, Column{"KEY", "keyid"},         Column{"DIGEST", "digest"},
};
constexpr std::array kActionColumns = {
    Column{"ACTION", "action"}, Column{"TO", "to"},         Column{"ALLOWED", "allowed"},
    Column{"REASON", "reason"}, Column{"DETAIL", "detail"}, Column{"WHO COULD", "who"},
};
constexpr std::array kTestColumns = {Column{"TEST", "name"}, Column{"KIND", "kind"},
                                     Column{"PASSED", "passed"}, Column{"DETAIL", "detail"}};
constexpr std::array kSignedColumns = {Column{"CHECK", "check"}, Column{"RESULT", "result"},
                                       Column{"SUBJECT", "subject"}, Column{"KEY", "key"}};
constexpr std::array kFindingColumns = {Column{"FILE", "file"}, Column{"SEVERITY", "severity"},
                                        Column{"FINDING", "code"}, Column{"DETAIL", "detail"}};
constexpr int64_t kDayMs = int64_t{24} * 3'600'000;

void print_list(Call& call, const Json& whole, std::string_view member,
                std::span<const Column> columns) {
  const Json* rows = whole.find(member);
  if (rows != nullptr && rows->is_array())
    call.terminal.out(table_of(rows->items(), columns, call.terminal.out_tty));
}

Result<int> run_gate(Call& call, Remote& remote, Fs& fs) {
  Json body = Json::object();
  if (call.has("file")) {
    const Json read = TRY(read_yaml(fs, call.text("file")));
    const Json* inside = read.find("checks");
    body.set("checks", inside ? *inside : read);
  }
  const Json judged = TRY(remote.post(concat({TRY(at_version(call)), "/gate"}), body));
  if (call.on("json"))
    print_fields(call, judged);
  else
    print_list(call, judged, "checks", kCheckColumns);
  return TRY(codec::want_bool(judged, "passed")) ? 0 : kExitGate;
}

// Rows that lie inside checks, each with the name of its check.
void print_inside(Call& call, const Json& checks, std::string_view member,
                  std::span<const Column> columns) {
  std::vector<Json> rows;
  for (const Json& check : checks.items()) {
    const Json* inside = check.find(member);
    if (!inside) continue;
    const auto add = [&](Json row) {
      row.set("check", cell_of(check.find("name")));
      rows.push_back(std::move(row));
    };
    if (inside->is_object()) add(*inside);
    if (inside->is_array())
      for (const Json& row : inside->items()) add(row);
  }
  if (rows.empty()) return;
  call.terminal.out("\n");
  call.terminal.out(table_of(rows, columns, call.terminal.out_tty));
}

Result<int> explain(Call& call, Remote& remote) {
  const Json told = TRY(
      remote.get(concat({TRY(at_version(call)), "/explain", query_of({{"to", call.text("to")}})})));
  if (call.on("json")) {
    print_fields(call, told);
  } else {
    print_list(call, told, "conditions", kConditionColumns);
    const Json* checks = told.find("checks");
    if (checks && checks->is_array() && !checks->items().empty()) {
      call.terminal.out("\n");
      print_list(call, told, "checks", kCheckColumns);
      print_inside(call, *checks, "slices", kSliceColumns);
      print_inside(call, *checks, "files", kFileColumns);
      print_inside(call, *checks, "signature", kSignatureColumns);
    }
    if (const Json* actions = told.find("actions")) {
      call.terminal.out("\n");
      print_actions(call, *actions);
    }
  }
  return TRY(codec::want_bool(told, "ready")) ? 0 : kExitGate;
}

Result<int> waive(Call& call, Remote& remote, Clock& clock) {
  const int64_t days = TRY(call.number("days")).value_or(7);
  if (days < 1 || days > 366) return invalid("usage.number", "--days is 1 to 366");
  const Json body = Json::object({{"check", call.argument(2)},
                                  {"reason", call.text("reason")},
                                  {"to", call.text("to", "Production")},
                                  {"expires_ms", clock.now_ms() + days * kDayMs}});
  print_fields(call, TRY(remote.post(concat({TRY(at_version(call)), "/waivers"}), body)));
  return 0;
}

// The signatures are checked here, not believed; a digest shows which files they are about.
Result<int> verify(Call& call, Remote& remote) {
  std::map<std::string, std::string> keys;
  const std::string listed =
      TRY(remote.raw(http::Method::kGet, "/.well-known/slipway/signing-keys", ""));
  const Json served = TRY(codec::parse_json(listed));
  if (const Json* list = served.find("keys"); list != nullptr && list->is_array())
    for (const Json& key : list->items()) {
      const std::string pem = TRY(codec::want_string(key, "public_key_pem"));
      keys[sign::key_id(pem)] = pem;
    }
  const Json all = TRY(remote.all(concat({TRY(at_version(call)), "/gate/attestations"})));
  std::vector<Json> rows;
  for (const Json& item : all.find("items")->items()) {
    const Json* envelope = item.find("envelope");
    const std::string check = TRY(codec::want_string(item, "check"));
    const Result<Json> statement =
        envelope ? sign::verify(codec::to_json(*envelope), keys)
                 : Result<Json>(invalid("envelope.syntax", "there is no envelope"));
    if (!statement.ok())
      return corrupt(statement.error().reason, concat({check, ": ", statement.error().text}));
    const Json* result = field_of(*statement, "predicate.result");
    const Json* subject = statement->find("subject");
    const Json* first = subject != nullptr && subject->is_array() && !subject->items().empty()
                            ? &subject->items().front()
                            : nullptr;
    Json row = Json::object({{"check", check}});
    if (result != nullptr) row.set("result", *result);
    if (first != nullptr) {
      row.set("subject", cell_of(first->find("name")));
      row.set("digest", cell_of(field_of(*first, "digest.sha256")));
    }
    row.set("key", cell_of(envelope->find("signatures")->items().front().find("keyid")));
    rows.push_back(std::move(row));
  }
  if (rows.empty()) return not_found("gate.unsigned", "the version's gate has no signed results");
  print_rows(call, Json::object({{"items", Json::array(std::move(rows))}}), kSignedColumns);
  return 0;
}

Result<int> test(Call& call, Remote& remote, Fs& fs) {
  const Json read = TRY(read_yaml(fs, call.argument(0)));
  std::string model = call.argument(1);
  std::string version = call.argument(2);
  if (model.empty()) model = TRY(codec::string_or(read, "model", ""));
  if (version.empty())
    if (const Json* v = read.find("version"); v != nullptr && v->is_int())
      version = std::to_string(v->as_int());
  if (model.empty())
    return invalid("usage.argument_missing", "which model? Name it, or in the file");
  const std::string at = concat({"/models/", percent_encode(model)});
  if (version.empty()) {  // What is in production.
    const Json shown = TRY(remote.get(at));
    const Json* live = field_of(shown, "stages.Production");
    if (live == nullptr || !live->is_int())
      return not_found("model_version.not_found", concat({"nothing of ", model,
                                                          " is in production: "
                                                          "name a version"}));
    version = std::to_string(live->as_int());
  }
  if (!parse_int(version)) return invalid("usage.number", "VERSION wants a whole number");
  const Json* tests = read.find("tests");
  const Json body = Json::object({{"tests", tests != nullptr ? *tests : read}});
  const Json done = TRY(remote.post(concat({at, "/versions/", version, "/tests"}), body));
  if (call.on("json"))
    print_fields(call, done);
  else
    print_list(call, done, "tests", kTestColumns);
  return TRY(codec::want_bool(done, "passed")) ? 0 : kExitGate;
}

Result<int> scan(Call& call, Remote& remote) {
  const Json done = TRY(remote.post(concat({TRY(at_version(call)), "/scan"}), Json::object()));
  if (call.on("json")) {
    print_fields(call, done);
  } else {
    call.terminal.out(concat({cell_of(done.find("verdict")), "\n"}));
    print_list(call, done, "findings", kFindingColumns);
  }
  return TRY(codec::string_or(done, "verdict", "")) == "clean" ? 0 : kExitGate;
}

// "NAME@3"
Status put_dataset(Json* body, const std::string& text, const std::string& name_field,
                   const std::string& version_field) {
  const size_t mark = text.rfind('@');
  const auto version = mark == text.npos ? std::nullopt : parse_int(text.substr(mark + 1));
  if (!version || mark == 0)
    return invalid("usage.dataset", concat({"'", text, "' isn't DATASET@VERSION"}));
  body->set(name_field, text.substr(0, mark));
  body->set(version_field, *version);
  return {};
}

Result<int> evidence(Call& call, Remote& remote) {
  Json body = Json::object();
  TRY(put_dataset(&body, call.text("holdout"), "dataset", "dataset_version"));
  TRY(put_dataset(&body, call.text("predictions"), "predictions_dataset", "predictions_version"));
  print_fields(call, TRY(remote.post(concat({TRY(at_version(call)), "/evidence"}), body)));
  return 0;
}

const std::vector<Argument> kModelVersion = {{"MODEL", "name of the model"},
                                             {"VERSION", "its number"}};

}  // namespace

void print_actions(Call& call, const Json& actions) {
  if (actions.is_array())
    call.terminal.out(table_of(actions.items(), kActionColumns, call.terminal.out_tty));
}

void add_gate_commands(Commands& commands, const Connect& connect, const Machine& machine) {
  const auto remote = [connect](auto run) {
    return [connect, run](Call& call) -> Result<int> {
      const std::unique_ptr<Remote> server = TRY(connect(call));
      return run(call, *server);
    };
  };
  Fs& fs = machine.fs;
  const Option to = {"to", "TARGET", "A stage, or @ALIAS [Production]."};
  commands.add({"gate run",
                "Judges a version by the checks of a file, or of the policy.",
                kModelVersion,
                {{"file", "PATH", "YAML list of checks [the policy's]."}},
                remote([&fs](Call& call, Remote& r) { return run_gate(call, r, fs); }),
                "Exits with 6 when a check fails."});
  commands.add({"gate explain",
                "What holds and what is missing before a version may enter a stage, with evidence.",
                kModelVersion,
                {to},
                remote(explain),
                "Conditions, checks, slices, files, signatures, and what you may do next. Exits "
                "with 6 while something is missing."});
  commands.add(
      {"gate waive",
       "Waives a failed check for a while.",
       {{"MODEL", "name of the model"}, {"VERSION", "its number"}, {"CHECK", "its name"}},
       {{"reason", "TEXT", "Why.", true}, {"days", "N", "For so long [7]."}, to},
       remote([&clock = machine.clock](Call& call, Remote& r) { return waive(call, r, clock); }),
       "Only those whom the policy names may, and never authors of the version."});
  commands.add({"gate verify",
                "Checks the signatures of a version's gate results on this machine.",
                kModelVersion,
                {},
                remote(verify),
                "Exits with 8 when one doesn't fit."});
  commands.add({"model test",
                "Runs behavioural tests against a version as it would be served.",
                {{"FILE", "YAML: tests, and model and version unless given"},
                 {"MODEL", "name of the model", false},
                 {"VERSION", "its number [in production]", false}},
                {},
                remote([&fs](Call& call, Remote& r) { return test(call, r, fs); }),
                "Exits with 6 when a test fails."});
  commands.add({"model scan",
                "Looks into a version's files for what would run when they are loaded.",
                kModelVersion,
                {},
                remote(scan),
                "Exits with 6 unless the verdict is clean."});
  commands.add({"model evidence",
                "Says where a version's predictions on a holdout are.",
                kModelVersion,
                {{"holdout", "DATASET@VERSION", "The holdout.", true},
                 {"predictions", "DATASET@VERSION", "As many rows, in the same order.", true}},
                remote(evidence),
                "Columns: `score` (auc, log_loss, brier) or `prediction` (accuracy, mae, rmse)."});
}

}  // namespace slip::cli
