#include "wire/feast/frames.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

#include "base/text.h"

namespace slip::wire::feast {
namespace {

using codec::Json;
using features::Cell;
using features::FeatureType;

constexpr FeatureType kTime{.type = engine::Type::kTimestampUs};

Error at_row(Error error, std::string_view column, size_t row) {
  return std::move(error).within(concat({"column ", column, ", row ", std::to_string(row)}));
}

// Whole numbers are seconds in Feast; text is a time.
Result<Cell> time_cell(const Json& value) {
  if (value.is_int()) {
    int64_t us = 0;
    if (__builtin_mul_overflow(value.as_int(), int64_t{1'000'000}, &us))
      return invalid("feature.time", concat({std::to_string(value.as_int()), " s is no time"}))
          .with_hint("whole numbers are seconds since 1970");
    return Cell(us);
  }
  if (value.is_number()) {
    const double us = std::floor(value.as_double() * 1e6);
    if (!(us > -9e18 && us < 9e18)) return invalid("feature.time", "a time out of range");
    return Cell(static_cast<int64_t>(us));
  }
  return features::cell_of_json(value, kTime);
}

Result<Cell> cell_of(const Json& value, const FeatureType& type) {
  if (type.type == engine::Type::kTimestampUs) return time_cell(value);
  return features::cell_of_json(value, type);
}

// By its name, or by what the source's files call it.
const Json* column_of(const Json& frame, const features::Source& source, const std::string& name) {
  if (const Json* found = name.empty() ? nullptr : frame.find(name)) return found;
  for (const auto& [from, to] : source.renamed)
    if (to == name)
      if (const Json* found = frame.find(from)) return found;
  return nullptr;
}

const Json* time_column(const Json& frame, const features::Source& source, const std::string& own,
                        std::string_view usual) {
  const Json* found = own.empty() ? nullptr : column_of(frame, source, own);
  return found != nullptr ? found : frame.find(usual);
}

Status take_times(const Json* column, std::string_view name, size_t rows, engine::Values* to) {
  for (size_t i = 0; i < rows; ++i) {
    if (column == nullptr) {
      to->add_null();
      continue;
    }
    Result<Cell> cell = time_cell(column->items()[i]);
    if (!cell.ok()) return at_row(std::move(cell).error(), name, i);
    features::add_cell(to, *cell);
  }
  return {};
}

// Rows of a frame: the length that its columns share.
Result<size_t> rows_of(const Json& frame, const std::vector<std::string>& keys) {
  size_t rows = SIZE_MAX;
  for (const auto& [name, column] : frame.members()) {
    if (!column.is_array())
      return invalid("feature.ragged", concat({"column ", name, ": a list is wanted"}));
    rows = std::min(rows, column.items().size());
  }
  if (rows == SIZE_MAX) return size_t{0};
  for (const auto& [name, column] : frame.members()) {
    const size_t n = column.items().size();
    const bool key = std::find(keys.begin(), keys.end(), name) != keys.end();
    if (n == rows || (key && n == 2 * rows)) continue;
    return invalid("feature.ragged", concat({"column ", name, " has ", std::to_string(n),
                                             " values, another ", std::to_string(rows)}));
  }
  return rows;
}

// ---- answers

// Times as JSON texts. A view's features share theirs, so the last ones are kept as text.
class TimeTexts {
 public:
  void put(std::string* out, int64_t us) {
    Kept& kept = kept_[static_cast<uint64_t>(us) % kept_.size()];
    if (kept.text.empty() || kept.us != us) {
      kept.us = us;
      kept.text.clear();
      codec::append_json_string(&kept.text, features::time_text(us));
    }
    out->append(kept.text);
  }

 private:
  struct Kept {
    int64_t us = 0;
    std::string text;
  };
  std::array<Kept, 61> kept_;
};

template <class T, class Put>
void put_list(std::string* out, const std::vector<T>& items, const Put& put) {
  out->push_back('[');
  for (size_t i = 0; i < items.size(); ++i) {
    if (i > 0) out->push_back(',');
    put(items[i]);
  }
  out->push_back(']');
}

void put_real(std::string* out, double v) {
  if (std::isfinite(v))
    codec::append_json_double(out, v, codec::NonFinite::kReject);
  else
    out->append("null");
}

void put_cell(std::string* out, const Cell& cell, const FeatureType& type) {
  if (const auto* b = std::get_if<bool>(&cell)) {
    out->append(*b ? "true" : "false");
  } else if (const auto* i = std::get_if<int64_t>(&cell)) {
    const bool time = type.type == engine::Type::kTimestampUs;
    const int64_t whole = *i / 1'000'000 - (*i % 1'000'000 < 0 ? 1 : 0);
    codec::append_json_int(out, time ? whole : *i);
  } else if (const auto* d = std::get_if<double>(&cell)) {
    put_real(out, *d);
  } else if (const auto* s = std::get_if<std::string>(&cell)) {
    codec::append_json_string(out, type.type == engine::Type::kBytes ? to_base64(*s) : *s);
  } else if (const auto* ints = std::get_if<std::vector<int64_t>>(&cell)) {
    put_list(out, *ints, [&](int64_t v) {
      if (type.flags)
        out->append(v != 0 ? "true" : "false");
      else
        codec::append_json_int(out, v);
    });
  } else if (const auto* reals = std::get_if<std::vector<double>>(&cell)) {
    put_list(out, *reals, [&](double v) { put_real(out, v); });
  } else if (const auto* texts = std::get_if<std::vector<std::string>>(&cell)) {
    put_list(out, *texts, [&](const std::string& v) { codec::append_json_string(out, v); });
  } else {
    out->append("null");
  }
}

bool not_a_number(const Cell& cell) {
  const auto* d = std::get_if<double>(&cell);
  return d != nullptr && !std::isfinite(*d);
}

// The answer's "results", one after the other.
class Results {
 public:
  using Statuses = std::span<const features::ReadStatus>;
  using Times = std::span<const int64_t>;

  explicit Results(std::string* out) : out_(out) { out_->append(R"({"results":[)"); }

  // A span each, in order of the rows.
  void add(std::span<const Cell> cells, const FeatureType& type, Statuses statuses, Times times) {
    out_->append(any_ ? R"(,{"values":[)" : R"({"values":[)");
    any_ = true;
    bool numbers = true;
    for (size_t i = 0; i < cells.size(); ++i) {
      if (i > 0) out_->push_back(',');
      put_cell(out_, cells[i], type);
      numbers = numbers && !not_a_number(cells[i]);
    }
    if (numbers) return put_end(statuses, times);
    std::vector<features::ReadStatus> told(statuses.begin(), statuses.end());
    for (size_t i = 0; i < cells.size(); ++i)
      if (not_a_number(cells[i])) told[i] = features::ReadStatus::kNullValue;
    put_end(told, times);
  }

 private:
  // Statuses and times. Features of one view share theirs: the last text is kept.
  void put_end(Statuses statuses, Times times) {
    if (end_.empty() || !std::ranges::equal(statuses, statuses_) ||
        !std::ranges::equal(times, times_)) {
      statuses_.assign(statuses.begin(), statuses.end());
      times_.assign(times.begin(), times.end());
      make_end();
    }
    out_->append(end_);
  }

  void make_end() {
    end_ = R"(],"statuses":[)";
    for (size_t i = 0; i < statuses_.size(); ++i) {
      if (i > 0) end_.push_back(',');
      end_.push_back('"');
      end_.append(features::read_status_name(statuses_[i]));
      end_.push_back('"');
    }
    end_.append(R"(],"event_timestamps":[)");
    for (size_t i = 0; i < times_.size(); ++i) {
      if (i > 0) end_.push_back(',');
      texts_.put(&end_, times_[i]);
    }
    end_.append("]}");
  }

  std::string* out_;
  bool any_ = false;
  std::string end_;
  std::vector<features::ReadStatus> statuses_;
  std::vector<int64_t> times_;
  TimeTexts texts_;
};

}  // namespace

Result<features::Batch> batch_of_frame(const Json& frame, const features::Source& source) {
  if (!frame.is_object()) return invalid("feature.ragged", "df: {column: [values]} is wanted");
  std::vector<std::string> names;
  for (const features::FeatureField& f : source.columns) names.push_back(f.name);
  const size_t rows = TRY(rows_of(frame, names));
  std::vector<features::FeatureField> schema;
  for (const features::FeatureField& f : source.columns)
    if (column_of(frame, source, f.name) != nullptr) schema.push_back(f);
  features::Batch out = features::make_batch(std::move(schema));
  for (size_t c = 0; c < out.schema.size(); ++c) {
    const Json& column = *column_of(frame, source, out.schema[c].name);
    for (size_t i = 0; i < rows; ++i) {
      Result<Cell> cell = cell_of(column.items()[i], out.schema[c].type);
      if (!cell.ok()) return at_row(std::move(cell).error(), out.schema[c].name, i);
      features::add_cell(&out.columns[c], *cell);
    }
  }
  const Json* event = time_column(frame, source, source.event_time, "event_timestamp");
  if (event == nullptr && rows > 0)
    return invalid("feature.time", concat({"df has no column ", source.event_time}));
  TRY(take_times(event, source.event_time, rows, &out.event));
  TRY(take_times(time_column(frame, source, source.created_time, "created"), "created", rows,
                 &out.created));
  return out;
}

Result<features::RequestColumns> request_of(const Json& entities, const features::ReadPlan& plan) {
  features::RequestColumns out;
  if (!entities.is_object())
    return invalid("feature.request", "entities: {key: [values]} is wanted");
  const auto take = [&](const features::FeatureField& f) -> Status {
    const Json* column = entities.find(f.name);
    if (column == nullptr) return {};
    if (!column->is_array())
      return invalid("feature.request", concat({"entities.", f.name, ": a list is wanted"}));
    std::vector<Cell>& cells = out.columns[f.name];
    for (size_t i = 0; i < column->items().size(); ++i) {
      Result<Cell> cell = cell_of(column->items()[i], f.type);
      if (!cell.ok()) return at_row(std::move(cell).error(), f.name, i);
      cells.push_back(std::move(*cell));
    }
    out.rows = static_cast<int64_t>(cells.size());
    return {};
  };
  for (const features::FeatureField& f : plan.keys) TRY(take(f));
  for (const features::FeatureField& f : plan.request) TRY(take(f));
  if (!plan.keys.empty() || !plan.request.empty()) return out;
  // Features without a key: as often as the client has rows of whatever it names, else once.
  std::optional<size_t> rows;
  for (const auto& [name, column] : entities.members()) {
    if (!column.is_array()) continue;
    if (rows.value_or(column.items().size()) != column.items().size())
      return invalid("feature.request", "entities: the lists differ in length");
    rows = column.items().size();
  }
  out.rows = static_cast<int64_t>(rows.value_or(1));
  return out;
}

std::string reply_text(const Json& entities, const features::ReadPlan& plan,
                       const features::RequestColumns& request,
                       const features::OnlineReply& reply) {
  const auto rows = static_cast<size_t>(request.rows);
  constexpr size_t kValueBytes = 80;  // With status and time: a guess, so that it grows once.
  std::string out;
  out.reserve(plan.outs.size() * (rows * kValueBytes + 64) + plan.out_names.size());
  Results results(&out);
  std::string names;
  const auto wanted = [&](const std::string& name) -> const features::FeatureField* {
    for (const auto* fields : {&plan.keys, &plan.request})
      for (const features::FeatureField& f : *fields)
        if (f.name == name) return &f;
    return nullptr;
  };
  const std::vector<features::ReadStatus> present(rows, features::ReadStatus::kPresent);
  const std::vector<int64_t> no_times(rows, 0);
  for (const auto& [name, values] : entities.members()) {
    const features::FeatureField* field = wanted(name);
    const auto found = request.columns.find(name);
    if (field == nullptr || found == request.columns.end()) continue;
    codec::append_json_string(&names, name);
    names.push_back(',');
    results.add(found->second, field->type, present, no_times);
  }
  for (size_t o = 0; o < plan.outs.size(); ++o)
    results.add(reply.values[o], plan.outs[o].type, reply.statuses[o], reply.event_us[o]);
  if (plan.outs.empty() && !names.empty()) names.pop_back();
  out.append(R"(],"metadata":{"feature_names":[)");
  out.append(names);
  out.append(plan.out_names);
  out.append("]}}");
  return out;
}

}  // namespace slip::wire::feast
