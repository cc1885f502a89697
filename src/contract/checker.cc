#include "contract/checker.h"

#include <algorithm>
#include <map>

#include "base/text.h"
#include "contract/kernels.h"
#include "contract/run.h"

namespace slip::contract {

using codec::Json;
using engine::Column;

// ---- columns

Status Checker::Run::add(std::span<const Column> columns, int64_t rows) {
  TRY(check_batch(columns, rows));
  for (ColumnRun& c : columns_)
    if (c.column >= 0) evaluate(&c, columns[static_cast<size_t>(c.column)], rows);
  for (KeyRun& k : keys_) TRY(add_keys(&k, columns, rows));
  for (ForeignRun& f : foreign_) look_up(&f, columns, rows);
  for (TimeRun& t : times_) add_times(&t, columns, rows);
  rows_ += rows;
  return {};
}

Status Checker::Run::check_batch(std::span<const Column> columns, int64_t rows) const {
  bool same = columns.size() == readable_.size();
  for (size_t i = 0; same && i < columns.size(); ++i)
    same = columns[i].n == rows && columns[i].type == readable_[i]->type;
  if (same) return {};
  return invalid("contract.batch", "a batch's columns are not those of the fields");
}

void Checker::Run::evaluate(ColumnRun* c, const Column& column, int64_t rows) {
  const bool plain =
      c->set.reading.how == Reading::How::kAsIs && column.type != engine::Type::kList;
  if (!plain) return evaluate_cells(c, column, rows);
  for (int64_t from = 0; from < rows; from += kBlockRows) {
    const int64_t n = std::min(kBlockRows, rows - from);
    for (const Rule& rule : c->set.rules) {
      const int64_t bad = count_bad(rule, column, from, n);
      if (bad == 0) continue;
      const bool first_few = results_[rule.check].samples.size() < options_.samples;
      results_[rule.check].count += bad;
      if (first_few) sample(rule, column, from, n);
    }
  }
}

void Checker::Run::sample(const Rule& rule, const Column& column, int64_t from, int64_t n) {
  std::vector<Sample>& samples = results_[rule.check].samples;
  for (int64_t i = from; i < from + n && samples.size() < options_.samples; ++i) {
    const Cell cell = cell_at(column, i, &scratch_);
    if (!holds(rule, cell)) samples.push_back({rows_ + i + 1, show(cell), reason(rule, cell)});
  }
}

void Checker::Run::note(size_t check, int64_t row, const Cell& cell, std::string why) {
  CheckResult& result = results_[check];
  ++result.count;
  if (result.samples.size() < options_.samples)
    result.samples.push_back({row, show(cell), std::move(why)});
}

// Values that are read first: texts of CSV, lists, JSON.
void Checker::Run::evaluate_cells(ColumnRun* c, const Column& column, int64_t rows) {
  Json parsed;
  const bool refused = c->set.reading.how == Reading::How::kRefused;
  for (int64_t i = 0; i < rows; ++i) {
    const Cell cell = cell_at(column, i, &scratch_);
    const std::optional<Cell> read = refused ? std::nullopt : c->set.reading.read(cell, &parsed);
    if (!read && !refused)
      note(c->kind_check, rows_ + i + 1, cell,
           concat({"is no ", logical_name(c->property->logical)}));
    for (const Rule& rule : c->set.rules) {
      const bool seen = cell.is_null() || rule.test == Test::kPresent || read.has_value();
      const Cell& shown = read ? *read : cell;
      if (seen && !(rule.test == Test::kPresent ? !cell.is_null() : holds(rule, shown)))
        note(rule.check, rows_ + i + 1, cell, reason(rule, shown));
    }
  }
}

// ---- keys

std::vector<Column> Checker::Run::choose(std::span<const Column> columns,
                                         const std::vector<int>& which) {
  std::vector<Column> out;
  for (const int c : which) out.push_back(columns[static_cast<size_t>(c)]);
  return out;
}

Status Checker::Run::add_keys(KeyRun* k, std::span<const Column> columns, int64_t rows) {
  const std::vector<Column> chosen = choose(columns, k->columns);
  if (k->counter == nullptr) {
    DistinctOptions options;
    options.memory_bytes =
        std::max<int64_t>(options_.memory_bytes / static_cast<int64_t>(keys_.size()), 1 << 20);
    options.spill = options_.spill;
    options.name = std::to_string(k->checks.front());
    options.samples = options_.samples;
    k->counter = std::make_unique<DistinctCounter>(chosen, options);
  }
  return k->counter->add(chosen, rows, rows_ + 1);
}

Status Checker::Run::finish_keys() {
  for (KeyRun& k : keys_) {
    if (k.counter == nullptr) continue;
    TRY(k.counter->finish());
    for (const size_t check : k.checks) {
      CheckResult& result = results_[check];
      result.count += k.counter->repeats();
      for (const int64_t row : k.counter->rows())
        if (result.samples.size() < options_.samples)
          result.samples.push_back({row, "", "repeats the key of an earlier row"});
      // Enough repeats to break it are a verdict; too few are none.
      const bool broken = !result.check.bound && k.counter->repeats() > 0;
      if (!k.counter->complete() && !broken)
        result.why = "the keys need more memory than is allowed, and nothing to spill to was given";
    }
  }
  return {};
}

void Checker::Run::look_up(ForeignRun* f, std::span<const Column> columns, int64_t rows) {
  const std::vector<Column> chosen = choose(columns, f->columns);
  if (!f->keys->check(chosen).ok()) {
    results_[f->check].why = "its columns are of other types than the keys they refer to";
    return;
  }
  found_.resize(static_cast<size_t>(rows));
  f->keys->find(chosen, 0, found_);
  for (int64_t i = 0; i < rows; ++i) {
    if (found_[static_cast<size_t>(i)] != engine::kNoKey || engine::Keys::has_null(chosen, i))
      continue;
    note(f->check, rows_ + i + 1, cell_at(chosen[0], i, &scratch_),
         concat({"is no key of ", f->target}));
  }
}

// ---- times of SLAs

void Checker::Run::add_times(TimeRun* t, std::span<const Column> columns, int64_t rows) {
  const auto at = [&](int column, const Reading& reading, int64_t i) -> std::optional<int64_t> {
    const Cell cell = cell_at(columns[static_cast<size_t>(column)], i, &scratch_);
    Json parsed;
    const std::optional<Cell> read = reading.read(cell, &parsed);
    if (!read || read->kind != Cell::Kind::kTime) return std::nullopt;
    return read->i;
  };
  const bool plain = t->reading.how == Reading::How::kAsIs && t->second < 0;
  if (plain) return widen(&t->extremes, columns[static_cast<size_t>(t->first)]);
  for (int64_t i = 0; i < rows; ++i) {
    std::optional<int64_t> v = at(t->first, t->reading, i);
    if (v && t->second >= 0) {
      const std::optional<int64_t> later = at(t->second, t->second_reading, i);
      v = later ? std::optional(*later - *v) : std::nullopt;
    }
    if (!v) continue;
    t->extremes.low = std::min(t->extremes.low, *v);
    t->extremes.high = std::max(t->extremes.high, *v);
  }
}

// ---- the end

void Checker::Run::judge(CheckResult* r) {
  if (!r->why.empty()) {
    r->verdict = r->verdict == Verdict::kFailed ? r->verdict : Verdict::kNotEvaluated;
    return;
  }
  if (r->check.name == metric_name(Metric::kRowCount)) r->count = rows_;
  r->measured = static_cast<double>(r->count);
  if (r->check.percent)
    r->measured = rows_ == 0 ? 0 : 100 * static_cast<double>(r->count) / static_cast<double>(rows_);
  const Bound none;
  const Bound& bound = r->check.bound ? *r->check.bound : none;
  r->threshold = bound.text() + (r->check.percent ? " percent" : "");
  r->verdict = bound.holds(r->measured) ? Verdict::kPassed : Verdict::kFailed;
  if (r->verdict == Verdict::kPassed && r->count == 0) r->samples.clear();
}

Result<Report> Checker::Run::finish() {
  TRY(finish_keys());
  std::vector<char> judged(results_.size(), 0);
  for (const TimeRun& t : times_) {
    judge_time(t, &results_[t.check]);
    judged[t.check] = 1;
  }
  for (const SqlRun& s : sql_) {
    run_sql(s, &results_[s.check]);
    judged[s.check] = 1;
  }
  for (size_t i = 0; i < results_.size(); ++i)
    if (!judged[i]) judge(&results_[i]);
  Report out;
  out.contract = contract_.id;
  out.version = contract_.version;
  out.object = object_.name;
  out.rows = rows_;
  out.results = std::move(results_);
  return out;
}

void Checker::Run::judge_time(const TimeRun& t, CheckResult* r) const {
  if (!r->why.empty()) return void(r->verdict = Verdict::kNotEvaluated);
  if (!t.extremes.seen()) {
    r->verdict = Verdict::kNotEvaluated;
    r->why = "there is no time to measure by";
    return;
  }
  const bool retention = t.kind == SlaKind::kRetention;
  const std::optional<int64_t> limit = moment_before(options_.now_us, t.value, t.unit, retention);
  if (!limit) {
    r->verdict = Verdict::kNotEvaluated;
    r->why = concat({"'", t.unit, "' is no unit of time that is known"});
    return;
  }
  const int64_t allowed = options_.now_us - *limit;
  int64_t age = options_.now_us - (retention ? t.extremes.low : t.extremes.high);
  if (t.second >= 0) age = t.extremes.high;
  r->measured = static_cast<double>(age) / 1e6;
  r->threshold = concat({"<= ", format_double(static_cast<double>(allowed) / 1e6), " seconds"});
  r->verdict = age <= allowed ? Verdict::kPassed : Verdict::kFailed;
}

void Checker::Run::run_sql(const SqlRun& s, CheckResult* r) const {
  r->verdict = Verdict::kNotEvaluated;
  if (options_.sql == nullptr) return void(r->why = "no SQL engine is at hand");
  const Result<std::string> query = sql_of(s.query, object_.name, r->check.property);
  if (!query.ok()) return void(r->why = query.error().text);
  const Result<double> answer = options_.sql->scalar(*query);
  if (!answer.ok()) return void(r->why = answer.error().text);
  r->measured = *answer;
  r->threshold = r->check.bound->text();
  r->verdict = r->check.bound->holds(*answer) ? Verdict::kPassed : Verdict::kFailed;
}

// ---- Checker

Checker::Checker(const Contract& contract, const Object& object, std::span<const FieldFact> fields,
                 CheckOptions options)
    : run_(std::make_unique<Run>(contract, object, std::move(options))) {
  run_->prepare(fields);
}
Checker::~Checker() = default;
Checker::Checker(Checker&&) noexcept = default;
Checker& Checker::operator=(Checker&&) noexcept = default;

Status Checker::add(std::span<const Column> columns, int64_t rows) {
  return run_->add(columns, rows);
}

Result<Report> Checker::finish() { return run_->finish(); }

}  // namespace slip::contract
