#include <array>

#include "base/text.h"
#include "cli/print.h"
#include "cli/rest.h"
#include "features/cell.h"

namespace slip::cli {
namespace {

using codec::Json;

std::string n_of(const Json& report, std::string_view field) {
  const Json* value = report.find(field);
  return value == nullptr ? "0" : cell_of(value);
}

std::string causes_of(const Json& differ) {
  std::vector<std::string> out;
  for (const auto& [cause, n] : differ.members()) out.push_back(concat({cause, " ", cell_of(&n)}));
  return out.empty() ? "-" : join(out, ", ");
}

void print_parity(Call& call, const Json& report) {
  constexpr std::array kColumns = {Column{"FEATURE", "feature"}, Column{"VIEW", "view"},
                                   Column{"VALUES", "values"}, Column{"EQUAL", "equal"},
                                   Column{"DIFFER", "differ"}};
  Json rows = Json::array();
  const Json* parity = report.find("features");
  for (const Json& f : parity->items()) {
    Json row = f;
    row.set("differ", causes_of(*f.find("differ")));
    rows.push(std::move(row));
  }
  Json page = Json::object();
  page.set("items", std::move(rows));
  print_rows(call, page, kColumns);
}

void print_examples(Call& call, const Json& report) {
  for (const Json& e : report.find("examples")->items()) {
    const auto us = e.find("served_us")->as_int();
    call.terminal.err(concat({cell_of(e.find("cause")), ": ", cell_of(e.find("feature")), " of ",
                              codec::to_json(*e.find("keys")), " at ", features::time_text(us),
                              ": served ", codec::to_json(*e.find("served")), ", replayed ",
                              codec::to_json(*e.find("replayed")), "\n"}));
  }
}

Result<int> verify(Call& call, Remote& remote) {
  Json body = Json::object();
  body.set("since", call.text("since", "1h"));
  if (call.has("until")) body.set("until", call.text("until"));
  if (call.has("limit")) {
    const auto limit = parse_int(call.text("limit"));
    if (!limit) return invalid("usage.limit", "--limit wants a number");
    body.set("limit", *limit);
  }
  const Json report = TRY(remote.post(
      concat({"/feature-services/", percent_encode(call.text("service")), "/verify"}), body));
  const Json* broken = report.find("broken");
  const bool holds = broken != nullptr && broken->as_int() == 0;
  if (call.on("json")) {
    print_fields(call, report);
    return holds ? 0 : kExitGate;
  }
  print_parity(call, report);
  print_examples(call, report);
  call.terminal.err(concat(
      {n_of(report, "vectors"), " vectors replayed, ", n_of(report, "unsettled"), " unsettled, ",
       n_of(report, "redefined"), " of other definitions; ", n_of(report, "equal"), " of ",
       n_of(report, "values"), " values equal to the bit, ", n_of(report, "broken"), " broken\n"}));
  if (n_of(report, "vectors") == "0")
    call.terminal.err(
        "nothing was logged: a service logs with `log: {sample_by_key: 0.05}` in its definition\n");
  return holds ? 0 : kExitGate;
}

Result<int> erase(Call& call, Remote& remote) {
  Json keys = Json::object();
  for (const std::string& pair : call.list("key")) {
    const size_t equals = pair.find('=');
    if (equals == pair.npos || equals == 0) return invalid("usage.key", "--key NAME=VALUE");
    const std::string value = pair.substr(equals + 1);
    const auto number = call.on("text") ? std::nullopt : parse_int(value);
    keys.set(pair.substr(0, equals), number ? Json(*number) : Json(value));
  }
  Json body = Json::object();
  body.set("keys", std::move(keys));
  body.set("reason", call.text("reason"));
  body.set("dry_run", call.on("dry-run"));
  print_fields(call, TRY(remote.post("/features:erase", body)));
  return 0;
}

}  // namespace

void add_feature_verify_command(Commands& commands, const Connect& connect) {
  commands.add(
      {"feature verify",
       "Replays served vectors from the history and compares them to the bit.",
       {},
       {{"service", "NAME", "A feature service that logs what it serves.", true},
        {"since", "TIME", "Served since then: 1h, 2d or a time [1h]."},
        {"until", "TIME", "And before."},
        {"limit", "N", "The newest N vectors [100000]."}},
       [connect](Call& call) -> Result<int> {
         const std::unique_ptr<Remote> server = TRY(connect(call));
         return verify(call, *server);
       },
       "Exits with 6 when a difference has no cause in the data: in_flight, late_data and\n"
       "one_sided (pushed to one store alone) are reported and break nothing."});
  commands.add(
      {"feature erase",
       "Erases one entity: its rows, what was aggregated of them, and logged vectors.",
       {},
       {{"key", "NAME=VALUE", "Columns and values that its rows have, all of them.", true, true},
        {"reason", "TEXT", "Kept in the ledger, apart from the event."},
        {"text", "", "Values of digits are text, not numbers."},
        {"dry-run", "", "Only counts rows."}},
       [connect](Call& call) -> Result<int> {
         const std::unique_ptr<Remote> server = TRY(connect(call));
         return erase(call, *server);
       },
       "Rows that arrive later are new. The bytes of segments that were replaced go with the next\n"
       "garbage collection. A legal hold on a source (feature_source:NAME) refuses it."});
}

}  // namespace slip::cli
