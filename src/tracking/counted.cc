#include "tracking/counted.h"

#include "base/text.h"

namespace slip::tracking {
namespace {

using codec::Json;
using ledger::Ledger;

Ledger::Counted counted(Json entries) {
  Ledger::Counted out;
  out.n = static_cast<int64_t>(entries.items().size());
  out.items.push_back(codec::to_json(entries));
  return out;
}

}  // namespace

Ledger::Counted counted_metrics(std::span<const Metric> metrics) {
  Json entries = Json::array();
  for (const Metric& m : metrics)
    entries.push(Json::array({m.key, format_double(m.value), m.step, m.timestamp_ms}));
  return counted(std::move(entries));
}

Ledger::Counted counted_tags(std::span<const Tag> tags) {
  Json entries = Json::array();
  for (const Tag& t : tags) entries.push(Json::array({t.key, t.value}));
  return counted(std::move(entries));
}

Ledger::Counted counted_deletion(std::string_view key) {
  Json entries = Json::array();
  entries.push(Json::array({key, Json()}));
  return counted(std::move(entries));
}

}  // namespace slip::tracking
