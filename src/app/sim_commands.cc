#include <array>

#include "app/commands.h"
#include "base/bug.h"
#include "base/text.h"
#include "codec/json.h"
#include "rollout/guard.h"
#include "sim/feature_history.h"
#include "sim/fraud.h"
#include "sim/history.h"
#include "sys/clock.h"
#include "sys/process.h"

namespace slip::app {
namespace {

using codec::Json;

// --bug N or SLIPWAY_BUG=N: a bug planted on purpose, which some seed must catch.
Status plant(const cli::Call& call, const Sys& sys) {
  std::string text = call.text("bug");
  if (text.empty()) text = sys.process.env("SLIPWAY_BUG");
  if (text.empty()) return {};
  const std::optional<int64_t> n = parse_int(text);
  if (!n || *n < 0 || *n > kBugCount)
    return invalid("usage.bug", concat({"bugs are numbered 1 to ", std::to_string(kBugCount)}));
  plant_bug(static_cast<Bug>(*n));
  return {};
}

Json result_json(uint64_t seed, const sim::HistoryResult& r) {
  Json violations = Json::array();
  for (const std::string& v : r.violations) violations.push(v);
  return Json::object({{"seed", static_cast<int64_t>(seed)},
                       {"operations", r.operations},
                       {"acknowledged", r.acknowledged},
                       {"refused", r.refused},
                       {"crashes", r.crashes},
                       {"violations", std::move(violations)}});
}

Result<int> run_histories(cli::Call& call, const Sys& sys) {
  TRY(plant(call, sys));
  const int64_t first = TRY(call.number("seed")).value_or(1);
  const int64_t seeds = TRY(call.number("seeds")).value_or(1);
  if (first < 0 || seeds < 1) return invalid("usage.seeds", "--seeds is at least 1");
  const std::string of = call.text("of").empty() ? "both" : call.text("of");
  if (of != "both" && of != "spine" && of != "features")
    return invalid("usage.part", "--of is spine, features or both");
  const int64_t start_ns = sys.clock.steady_ns();
  int64_t broken = 0;
  sim::HistoryResult all;
  for (int64_t i = 0; i < seeds; ++i) {
    sim::HistorySpec spec;
    spec.seed = static_cast<uint64_t>(first + i);
    sim::HistoryResult r;
    if (of != "features") r.add(sim::run_history(spec));
    if (of != "spine") r.add(sim::run_feature_history(spec));
    all.add(r);
    broken += r.violations.empty() ? 0 : 1;
    if (call.on("json")) call.terminal.out(codec::to_json(result_json(spec.seed, r)) + "\n");
    if (r.violations.empty() || call.on("json")) continue;
    call.terminal.out(concat({"seed ", std::to_string(spec.seed), ":\n"}));
    for (const std::string& v : r.violations) call.terminal.out(concat({"  ", v, "\n"}));
    if (call.on("first")) break;
  }
  call.terminal.err(concat(
      {"sim: ", std::to_string(seeds), " seeds, ", std::to_string(all.operations), " operations, ",
       std::to_string(all.acknowledged), " acknowledged, ", std::to_string(all.crashes),
       " losses of power, ", std::to_string(broken), " seeds with a broken promise, ",
       format_double(static_cast<double>(sys.clock.steady_ns() - start_ns) / 1'000'000 / 1000),
       " s\n"}));
  return broken == 0 ? 0 : 1;
}

Result<int> run_aa(cli::Call& call, const Sys&) {
  rollout::AaSpec spec;
  spec.seed = static_cast<uint64_t>(TRY(call.number("seed")).value_or(1));
  spec.runs = TRY(call.number("runs")).value_or(spec.runs);
  spec.outcomes = TRY(call.number("labels")).value_or(spec.outcomes);
  const auto real = [&](std::string_view name, double fallback) -> Result<double> {
    const std::string text = call.text(name);
    if (text.empty()) return fallback;
    const std::optional<double> value = parse_double(text);
    if (!value || !(*value > 0) || !(*value < 1))
      return invalid("usage.share", concat({"--", name, " lies between 0 and 1"}));
    return *value;
  };
  spec.alpha = TRY(real("alpha", spec.alpha));
  spec.weight = TRY(real("weight", spec.weight));
  spec.error_rate = TRY(real("error-rate", spec.error_rate));
  if (spec.runs < 1 || spec.outcomes < 1)
    return invalid("usage.runs", "--runs and --labels are at least 1");
  const rollout::AaResult r = rollout::simulate_aa(spec);
  if (call.on("json")) {
    call.terminal.out(codec::to_json(Json::object({{"runs", r.runs},
                                                   {"rolled_back", r.rolled_back},
                                                   {"e_value_max", r.e_value_max},
                                                   {"alpha", spec.alpha}})) +
                      "\n");
  } else {
    call.terminal.out(
        concat({std::to_string(r.rolled_back), " of ", std::to_string(r.runs),
                " equally good canaries taken back (alpha ", format_double(spec.alpha), ")\n"}));
  }
  return 0;
}

// Payments as JSON lines or CSV: second, card, terminal, amount, fraud, attack.
Result<int> run_fraud(cli::Call& call, const Sys&) {
  sim::FraudSpec spec;
  spec.seed = static_cast<uint64_t>(TRY(call.number("seed")).value_or(7));
  spec.cards = TRY(call.number("cards")).value_or(spec.cards);
  spec.terminals = TRY(call.number("terminals")).value_or(spec.terminals);
  spec.days = TRY(call.number("days")).value_or(spec.days);
  spec.new_attack_day = TRY(call.number("new-attack-day")).value_or(spec.new_attack_day);
  if (spec.cards < 1 || spec.terminals < 1 || spec.days < 1 || spec.cards > 1'000'000 ||
      spec.terminals > 100'000 || spec.days > 10'000)
    return invalid("usage.fraud", "cards, terminals and days are at least 1");
  constexpr std::array<std::string_view, 5> kAttacks = {"", "big_amount", "terminal", "leaked_card",
                                                        "night"};
  std::string out = "second,card,terminal,amount,fraud,attack\n";
  for (const sim::Payment& p : sim::simulate_fraud(spec)) {
    const bool fraud = p.fraud != sim::FraudKind::kNone;
    const std::string cents = std::to_string(p.cents % 100);
    out += concat({std::to_string(p.second), ",", std::to_string(p.card), ",",
                   std::to_string(p.terminal), ",", std::to_string(p.cents / 100), ".",
                   cents.size() < 2 ? "0" : "", cents, ",", fraud ? "1" : "0", ",",
                   kAttacks[static_cast<size_t>(p.fraud)], "\n"});
    if (out.size() < (1 << 16)) continue;
    call.terminal.out(out);
    out.clear();
  }
  call.terminal.out(out);
  return 0;
}

}  // namespace

void add_sim(cli::Commands& commands, const Sys& sys) {
  cli::Command histories;
  histories.path = "sim";
  histories.summary =
      "Random histories on a simulated clock, disk and scheduler; exit 1 when a promise breaks.";
  histories.options = {{"seed", "N", "The first seed [1]."},
                       {"seeds", "N", "How many, one after the other [1]."},
                       {"of", "PART", "spine, features or both [both]."},
                       {"first", "", "Stop at the first broken promise."},
                       {"bug", "N", "Plant bug N (1 to 10) [env: SLIPWAY_BUG]."}};
  histories.run = [&sys](cli::Call& call) { return run_histories(call, sys); };
  commands.add(std::move(histories));
  cli::Command aa;
  aa.path = "sim aa";
  aa.summary =
      "How often the canary's guard takes back a canary that is as good as the stable version.";
  aa.options = {{"runs", "N", "Simulated canaries [200]."},
                {"seed", "N", "Seed [1]."},
                {"labels", "N", "Labelled predictions of each [2000]."},
                {"alpha", "A", "Level of the guard [0.01]."},
                {"weight", "W", "Share of the traffic on the canary [0.2]."},
                {"error-rate", "P", "Share of wrong predictions on both arms [0.2]."}};
  aa.run = [&sys](cli::Call& call) { return run_aa(call, sys); };
  commands.add(std::move(aa));
  commands.add({"sim fraud",
                "Card payments with known fraud, as CSV: the same for a seed on every machine.",
                {},
                {{"seed", "N", "Seed [7]."},
                 {"cards", "N", "Cards [1500]."},
                 {"terminals", "N", "Terminals [3000]."},
                 {"days", "N", "Days [120]."},
                 {"new-attack-day", "N", "When tiny amounts at night begin [90]."}},
                [&sys](cli::Call& call) { return run_fraud(call, sys); },
                ""});
}

}  // namespace slip::app
