#include "engine/window/backfill.h"

#include <algorithm>
#include <unordered_map>

namespace slip::window {
namespace {

using engine::Column;
using engine::Type;

struct Entity {
  std::vector<int64_t> events, queries;  // Rows.
};

bool integral(const Column* c) {
  return c && (c->type == Type::kInt64 || c->type == Type::kTimestampUs);
}

std::string key_at(const Column* key, int64_t row) {
  std::string out;
  if (key) write_datum(datum_at(*key, row), out);
  return out;
}

Status check(const Plan& plan, const Events& e, const Queries& q) {
  const auto bad = [](const char* what) { return invalid("window.bad_record", what); };
  if (!integral(e.ts_us) || !integral(q.t_us)) return bad("times are int64 or timestamps");
  if (e.values.size() < plan.width()) return bad("the plan names a column that isn't there");
  if ((e.key == nullptr) != (q.key == nullptr))
    return bad("events and queries have a key, or none");
  if (e.key && (e.key->type != q.key->type || e.key->n != e.ts_us->n || q.key->n != q.t_us->n)) {
    return bad("keys are of one type and as long as the times");
  }
  if (e.seq && (e.seq->type != Type::kInt64 || e.seq->n != e.ts_us->n)) {
    return bad("sequences are int64 and as long as the times");
  }
  for (const Column* c : e.values) {
    if (!c || c->n != e.ts_us->n) return bad("columns are as long as the times");
  }
  for (int64_t i = 0; i < e.ts_us->n; ++i) {
    if (e.ts_us->is_null(i)) return bad("an event without a time");
    if (e.seq && (e.seq->is_null(i) || e.seq->i64(i) < 0))
      return bad("an event without a sequence");
  }
  for (int64_t i = 0; i < q.t_us->n; ++i) {
    if (q.t_us->is_null(i)) return invalid("window.bad_query", "a query without a time");
  }
  return {};
}

Record record_at(const Plan& plan, const Events& e, int64_t row) {
  Record r;
  r.at = {e.ts_us->i64(row), static_cast<uint64_t>(e.seq ? e.seq->i64(row) : row)};
  for (uint32_t c = 0; c < plan.width(); ++c) r.values.push_back(datum_at(*e.values[c], row));
  return r;
}

}  // namespace

Datum datum_at(const Column& column, int64_t row) {
  if (column.is_null(row)) return {};
  switch (column.type) {
    case Type::kBool:
      return column.boolean(row);
    case Type::kInt64:
    case Type::kTimestampUs:
      return column.i64(row);
    case Type::kDouble:
      return column.f64(row);
    case Type::kText:
    case Type::kBytes:
      return std::string(column.text(row));
    case Type::kList:
      break;
  }
  std::vector<double> list;
  const Column& items = *column.child;
  if (items.type != Type::kDouble && items.type != Type::kInt64) return {};
  for (int32_t i = column.offsets[row]; i < column.offsets[row + 1]; ++i) {
    if (items.is_null(i)) return {};
    list.push_back(items.type == Type::kDouble ? items.f64(i) : static_cast<double>(items.i64(i)));
  }
  return list;
}

Result<std::vector<std::vector<Answer>>> backfill(const Plan& plan, const Events& events,
                                                  const Queries& queries) {
  TRY(check(plan, events, queries));
  std::unordered_map<std::string, Entity> entities;
  for (int64_t i = 0; i < queries.t_us->n; ++i) {
    entities[key_at(queries.key, i)].queries.push_back(i);
  }
  for (int64_t i = 0; i < events.ts_us->n; ++i) {
    if (events.key && events.key->is_null(i)) continue;
    const auto found = entities.find(key_at(events.key, i));
    if (found != entities.end()) found->second.events.push_back(i);
  }
  std::vector<std::vector<Answer>> out(static_cast<size_t>(queries.t_us->n));
  for (auto& [unused, e] : entities) {
    const auto by = [](const Column& time) {
      return [&time](int64_t a, int64_t b) { return time.i64(a) < time.i64(b); };
    };
    std::stable_sort(e.events.begin(), e.events.end(), by(*events.ts_us));
    std::sort(e.queries.begin(), e.queries.end(), by(*queries.t_us));
    Blob blob;
    size_t next = 0;
    for (const int64_t q : e.queries) {
      const int64_t t = queries.t_us->i64(q);
      for (; next < e.events.size() && events.ts_us->i64(e.events[next]) < t; ++next) {
        TRY(blob.add(plan, record_at(plan, events, e.events[next])));
      }
      blob.advance(plan, t);
      out[static_cast<size_t>(q)] = TRY(blob.read(plan, t));
    }
  }
  return out;
}

}  // namespace slip::window
