#include "serving/batch_stats.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/check.h"
#include "base/text.h"

namespace slip::serving {
namespace {

using codec::Json;

struct ReasonRow {
  std::string_view name;
  std::string_view words;
};
constexpr std::array<ReasonRow, kBatchReasonCount> kReasons = {{
    {"full", "no more rows fitted"},
    {"preferred", "a preferred size was reached"},
    {"deadline", "more rows, or more waiting, would have cost a request its deadline"},
    {"delay", "it had waited as long as it may"},
    {"shape", "an instance was idle, and the others that waited had another shape"},
    {"idle", "an instance was idle, and nothing else waited"},
}};

struct RefusalRow {
  std::string_view name;
  std::string_view reason;
  std::string_view text;
};
constexpr std::array<RefusalRow, kBatchRefusalCount> kRefusals = {{
    {"full", "batch.full", "Exceeds maximum queue size: too many requests wait for the model"},
    {"deadline", "batch.deadline",
     "Request timeout expired: the model cannot answer before the request's deadline"},
    {"timeout", "batch.deadline",
     "Request timeout expired: it has waited for the model as long as it may"},
    {"cancelled", "batch.cancelled", "the request was cancelled before the model ran"},
    {"stopping", "batch.stopping", "the model is being unloaded and takes no more requests"},
}};

std::string ms(double ns) {
  const double value = ns / 1e6;
  const double digits = value >= 100 ? 1 : value >= 1 ? 100 : 10'000;
  return format_double(std::round(value * digits) / digits) + " ms";
}

std::string percent(double part, double of) {
  return of <= 0 ? "0 %" : format_double(std::round(1000 * part / of) / 10) + " %";
}

std::string rows_text(int64_t rows) {
  return std::to_string(rows) + (rows == 1 ? " row" : " rows");
}

// What somebody who wonders why batches are small, or answers late, should look at next.
std::vector<std::string> advice(const BatchReport& r) {
  std::vector<std::string> out;
  const auto batches = static_cast<double>(r.stats.batch_count());
  if (batches < 20) return out;
  const auto share = [&](BatchReason why) {
    return static_cast<double>(r.stats.batches[static_cast<size_t>(why)]) / batches;
  };
  if (share(BatchReason::kIdle) > 0.5)
    out.push_back(
        "Most batches are as small as they are because an instance was idle: requests "
        "were answered at once. Larger batches would only make them wait.");
  if (share(BatchReason::kShape) > 0.2)
    out.push_back(
        "Many batches stayed small because requests have different shapes: pad them to "
        "a few lengths if you can.");
  if (share(BatchReason::kDeadline) > 0.2)
    out.push_back(
        "Many batches were closed early for a deadline: deadlines are close to what a "
        "run takes.");
  if (share(BatchReason::kFull) > 0.5 && r.size == r.settings.max_batch_size)
    out.push_back(
        "Most batches are full: a larger max_batch_size or another instance would "
        "raise the throughput if a row's own cost is the smaller part.");
  if (r.settings.objective_us > 0 && r.late_share > 0.01)
    out.push_back(concat(
        {"Of the recent answers ", percent(r.late_share, 1), " came later than the objective."}));
  return out;
}

Json settings_json(const BatchSettings& s) {
  Json sizes = Json::array();
  for (const int64_t size : s.preferred_batch_size) sizes.push(size);
  Json out = Json::object();
  out.set("max_batch_size", s.max_batch_size);
  out.set("preferred_batch_size", std::move(sizes));
  out.set("max_queue_delay_us", s.max_queue_delay_us ? Json(*s.max_queue_delay_us) : Json());
  out.set("preserve_ordering", s.preserve_ordering);
  out.set("priority_levels", s.priority_levels);
  out.set("default_priority_level", s.default_priority_level);
  out.set("objective_us", s.objective_us);
  out.set("ageing_us", s.ageing_us);
  out.set("instances", s.instances);
  return out;
}

Json counts_json(const BatchStats& stats) {
  Json reasons = Json::object();
  for (size_t i = 0; i < kBatchReasonCount; ++i) reasons.set(kReasons[i].name, stats.batches[i]);
  Json refused = Json::object();
  for (size_t i = 0; i < kBatchRefusalCount; ++i) refused.set(kRefusals[i].name, stats.refused[i]);
  Json sizes = Json::array();
  for (const auto& [rows, s] : stats.by_size)
    sizes.push(Json::object({{"rows", rows},
                             {"batches", s.batches},
                             {"input_ns", s.input_ns},
                             {"infer_ns", s.infer_ns},
                             {"output_ns", s.output_ns}}));
  Json out = Json::object();
  out.set("requests", stats.requests);
  out.set("rows", stats.rows);
  out.set("batches", stats.batch_count());
  out.set("reasons", std::move(reasons));
  out.set("refused", std::move(refused));
  out.set("sizes", std::move(sizes));
  out.set("split", stats.split);
  out.set("displaced", stats.displaced);
  out.set("aged", stats.aged);
  out.set("retried", stats.retried);
  out.set("failed", stats.failed);
  out.set("queue_ns", stats.queue_ns);
  out.set("longest_wait_ns", stats.longest_wait_ns);
  return out;
}

}  // namespace

std::string_view batch_reason_name(BatchReason reason) {
  return kReasons[static_cast<size_t>(reason)].name;
}

std::string_view batch_refusal_name(BatchRefusal refusal) {
  return kRefusals[static_cast<size_t>(refusal)].name;
}

Error batch_refused(BatchRefusal refusal) {
  const RefusalRow& row = kRefusals[static_cast<size_t>(refusal)];
  return unavailable(row.reason, std::string(row.text));
}

int64_t BatchStats::batch_count() const {
  int64_t n = 0;
  for (const int64_t count : batches) n += count;
  return n;
}

codec::Json batch_report_json(const BatchReport& r) {
  Json words = Json::array();
  for (std::string& text : advice(r)) words.push(std::move(text));
  Json out = Json::object();
  out.set("settings", settings_json(r.settings));
  out.set("cost", Json::object({{"fitted", r.fitted},
                                {"row_ns", r.row_ns},
                                {"run_ns", r.run_ns},
                                {"spread", r.spread},
                                {"runs", r.runs_fitted}}));
  out.set("size", r.size);
  out.set("size_why", r.size_why);
  out.set("delay_ns", r.delay_ns);
  out.set("delay_why", r.delay_why);
  out.set("rows_per_s", r.rows_per_s);
  out.set("late_share", r.late_share);
  out.set("waiting", r.waiting);
  out.set("waiting_rows", r.waiting_rows);
  out.set("oldest_ns", r.oldest_ns);
  out.set("running", r.running);
  out.set("counts", counts_json(r.stats));
  out.set("advice", std::move(words));
  return out;
}

std::string batch_report_text(const BatchReport& r) {
  const BatchStats& s = r.stats;
  const auto batches = static_cast<double>(s.batch_count());
  std::string out;
  const auto line = [&](std::initializer_list<std::string_view> parts) {
    out += concat(parts);
    out += '\n';
  };
  if (r.fitted)
    line({"A run of n rows takes ", ms(r.run_ns), " + n x ", ms(r.row_ns), " (fitted from ",
          std::to_string(r.runs_fitted), " runs, usually within ", percent(r.spread, 1), ")."});
  else
    line({"What a run takes is not known yet (", std::to_string(r.runs_fitted), " runs so far)."});
  if (r.settings.objective_us > 0)
    line({"Objective: 99 % of the answers within ",
          ms(static_cast<double>(r.settings.objective_us) * 1e3), "; lately ",
          percent(r.late_share, 1), " came later."});
  line({"Size: batches close at ", rows_text(r.size), " of at most ",
        std::to_string(r.settings.max_batch_size), ": ", r.size_why, "."});
  line({"Delay: an idle instance waits ", ms(static_cast<double>(r.delay_ns)),
        " for more rows: ", r.delay_why, "."});
  line(
      {"Batches so far: ", std::to_string(s.batch_count()), " of ",
       format_double(batches > 0 ? std::round(10 * static_cast<double>(s.rows) / batches) / 10 : 0),
       " rows on average, closed because"});
  for (size_t i = 0; i < kBatchReasonCount; ++i)
    if (s.batches[i] > 0)
      line({"  ", percent(static_cast<double>(s.batches[i]), batches), "  ", kReasons[i].name, ": ",
            kReasons[i].words});
  const auto pieces = static_cast<double>(std::max<int64_t>(s.pieces, 1));
  line({"Waiting: ", ms(static_cast<double>(s.queue_ns) / pieces), " on average, at most ",
        ms(static_cast<double>(s.longest_wait_ns)), "; now ", std::to_string(r.waiting),
        " requests wait, the first of them for ", ms(static_cast<double>(r.oldest_ns)), ", and ",
        std::to_string(r.running), " of ", std::to_string(r.settings.instances),
        " instances run."});
  for (size_t i = 0; i < kBatchRefusalCount; ++i)
    if (s.refused[i] > 0)
      line({"Not run: ", std::to_string(s.refused[i]), " (", kRefusals[i].text, ")"});
  for (const std::string& text : advice(r)) line({text});
  return out;
}

}  // namespace slip::serving
