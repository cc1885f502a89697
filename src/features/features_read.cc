#include <algorithm>

#include "base/text.h"
#include "features/features.h"
#include "features/functions.h"
#include "features/history_owner.h"
#include "features/packed.h"
#include "features/redis_mirror.h"
#include "sys/clock.h"

namespace slip::features {
namespace {

Status check_request(const ReadPlan& plan, const RequestColumns& request) {
  if (request.rows > kOnlineRowsMax)
    return invalid("feature.request",
                   concat({"at most ", std::to_string(kOnlineRowsMax), " rows are read at once"}));
  for (const FeatureField& key : plan.keys)
    if (request.find(key.name) == nullptr)
      return invalid("feature.missing_key", concat({"Missing join key values for key ", key.name}));
  for (const FeatureField& f : plan.request)
    if (request.find(f.name) == nullptr)
      return invalid("feature.request", concat({"Required request data ", f.name, " is missing"}));
  for (const auto& [name, cells] : request.columns)
    if (static_cast<int64_t>(cells.size()) != request.rows)
      return invalid("feature.request",
                     concat({"column ", name, " has ", std::to_string(cells.size()), " values for ",
                             std::to_string(request.rows), " rows"}));
  return {};
}

// The clocks of a view and the values that were just read of it.
class ServedCount {
 public:
  ServedCount(ViewClocks* clocks, int64_t now_us) : clocks_(clocks), now_us_(now_us) {}
  ServedCount(const ServedCount&) = delete;
  ServedCount& operator=(const ServedCount&) = delete;
  ~ServedCount() {
    for (size_t i = 0; i < n_.size(); ++i)
      if (n_[i] > 0) clocks_->served[i].fetch_add(n_[i], std::memory_order_relaxed);
  }

  void add(const EntityRead& one) {
    int64_t present = 0;
    for (const ReadStatus s : one.statuses) {
      ++n_[static_cast<size_t>(s)];
      present += s == ReadStatus::kPresent ? 1 : 0;
    }
    if (present > 0) clocks_->age.add(now_us_ - one.event_us, present);
  }

 private:
  ViewClocks* clocks_;
  int64_t now_us_;
  std::array<int64_t, 4> n_{};
};

}  // namespace

namespace {

// The key of each row; nothing where a part of it is null.
using Keys = std::vector<std::optional<std::string>>;
Result<Keys> keys_of(const ReadPlan::Read& read, const RequestColumns& request) {
  const CompiledView& view = *read.view;
  std::vector<const std::vector<Cell>*> columns;
  for (const std::string& name : read.request_keys) columns.push_back(request.find(name));
  Keys out(static_cast<size_t>(request.rows));
  for (size_t row = 0; row < out.size(); ++row) {
    std::string key;
    bool whole = true;
    for (size_t k = 0; k < columns.size(); ++k) {
      const Result<Cell> fitted = fit((*columns[k])[row], view.join_keys[k].type);
      if (!fitted.ok())
        return invalid("feature.value",
                       concat({"key ", read.request_keys[k], ": ", fitted.error().text}));
      whole = whole && append_key(&key, *fitted);
    }
    if (whole) out[row] = std::move(key);
  }
  return out;
}

Online::Want want_of(const ReadPlan::Read& read, const Features::ReadOptions& options) {
  return {.features = read.features, .now_us = options.now_us, .ignore_ttl = options.ignore_ttl};
}

Status check_held(const RedisMirror& mirror, const Shelf& shelf,
                  std::span<const ReadPlan::Read> reads) {
  for (const ReadPlan::Read& read : reads) {
    const ViewPtr latest = shelf.view(read.view->name);
    TRY(mirror.fits_and_held(*read.view, latest ? latest->version : read.view->version));
  }
  return {};
}

// All entities of all views in one exchange.
Status read_mirror(RedisMirror& mirror, std::span<const ReadPlan::Read> reads,
                   std::span<const Keys> keys, const Features::ReadOptions& options,
                   std::vector<std::vector<EntityRead>>* out) {
  std::vector<RedisAsk> asked;
  for (size_t i = 0; i < reads.size(); ++i) {
    const CompiledView& view = *reads[i].view;
    const Online::Want want = want_of(reads[i], options);
    for (const auto& key : keys[i])
      if (key) asked.push_back({&view, *key, want});
  }
  std::vector<EntityRead> got;
  TRY(mirror.read(asked, &got));
  size_t at = 0;
  for (size_t i = 0; i < reads.size(); ++i)
    for (size_t row = 0; row < keys[i].size(); ++row)
      if (keys[i][row]) (*out)[i][row] = std::move(got[at++]);
  return {};
}

}  // namespace

Status Features::read_all(const ReadPlan& plan, const RequestColumns& request,
                          const ReadOptions& options, Got* out) {
  std::vector<Keys> keys;
  for (const ReadPlan::Read& read : plan.reads) keys.push_back(TRY(keys_of(read, request)));
  out->assign(plan.reads.size(), std::vector<EntityRead>(static_cast<size_t>(request.rows)));
  if (deps_.mirror != nullptr && !plan.reads.empty()) {
    const auto shelf = catalog_.shelf(plan.reads.front().view->project);
    TRY(check_held(*deps_.mirror, *shelf, plan.reads));
    TRY(read_mirror(*deps_.mirror, plan.reads, keys, options, out));
  }
  for (size_t i = 0; i < plan.reads.size(); ++i) {
    const ReadPlan::Read& read = plan.reads[i];
    const Online::Want want = want_of(read, options);
    ServedCount served(read.view->clocks.get(), options.now_us);
    for (size_t row = 0; row < keys[i].size(); ++row) {
      EntityRead& one = (*out)[i][row];
      if (!keys[i][row])
        read_absent(want, ReadStatus::kNotFound, &one);
      else if (deps_.mirror == nullptr)
        TRY(online_.read(*read.view, *keys[i][row], want, &one));
      served.add(one);
    }
  }
  return {};
}

// Where nothing is computed from what is read and the table lies here: from the table into the
// answer, with one entity's cells between them.
Status Features::read_straight(const ReadPlan& plan, const RequestColumns& request,
                               const ReadOptions& options, OnlineReply* out) {
  EntityRead one;
  for (const ReadPlan::Read& read : plan.reads) {
    const Keys keys = TRY(keys_of(read, request));
    const Online::Want want = want_of(read, options);
    const bool once = read.outs.size() == read.features.size();
    ServedCount served(read.view->clocks.get(), options.now_us);
    for (size_t row = 0; row < keys.size(); ++row) {
      if (keys[row])
        TRY(online_.read(*read.view, *keys[row], want, &one));
      else
        read_absent(want, ReadStatus::kNotFound, &one);
      served.add(one);
      for (const auto& [o, at] : read.outs) {
        Cell& cell = one.cells[at];
        if (once)
          out->values.at(o, row) = std::move(cell);
        else  // A feature may be answered under several names.
          out->values.at(o, row) = cell;
        out->statuses.at(o, row) = one.statuses[at];
        out->event_us.at(o, row) = one.event_us;
      }
    }
  }
  return {};
}

Status Features::read(const ReadPlan& plan, const RequestColumns& request,
                      const ReadOptions& options, OnlineReply* out) {
  TRY(check_request(plan, request));
  if (deps_.owner != nullptr && deps_.mirror == nullptr) TRY(deps_.owner->check());
  ReadOptions at = options;
  if (at.now_us == 0) at.now_us = deps_.clock.now_us();
  const auto rows = static_cast<size_t>(request.rows);
  out->values.resize(plan.outs.size(), rows);
  out->statuses.resize(plan.outs.size(), rows);
  out->event_us.resize(plan.outs.size(), rows);
  if (plan.computed.empty() && deps_.mirror == nullptr)
    return read_straight(plan, request, at, out);
  Got got;
  TRY(read_all(plan, request, at, &got));
  std::vector<std::vector<std::vector<Cell>>> computed(plan.computed.size());
  for (size_t c = 0; c < plan.computed.size(); ++c) {
    std::vector<std::vector<Cell>> inputs;
    for (const auto& [read, place] : plan.computed[c].inputs) {
      std::vector<Cell>& cells = inputs.emplace_back();
      for (size_t row = 0; row < rows; ++row) cells.push_back(got[read][row].cells[place]);
    }
    TRY(compute_on_demand(deps_.functions, *plan.computed[c].what, inputs, request, &computed[c]));
  }
  for (size_t i = 0; i < plan.outs.size(); ++i) {
    const ReadPlan::Out& o = plan.outs[i];
    for (size_t row = 0; row < rows; ++row) {
      Cell& value = out->values.at(i, row);
      if (o.computed) {
        value = computed[o.from][o.at][row];
        out->statuses.at(i, row) = is_null(value) ? ReadStatus::kNullValue : ReadStatus::kPresent;
        continue;
      }
      const EntityRead& one = got[o.from][row];
      value = one.cells[o.at];  // A feature may be answered under several names.
      out->statuses.at(i, row) = one.statuses[o.at];
      out->event_us.at(i, row) = one.event_us;
    }
  }
  return {};
}

}  // namespace slip::features
