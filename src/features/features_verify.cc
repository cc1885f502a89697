#include <algorithm>
#include <deque>
#include <set>

#include "base/text.h"
#include "features/features.h"
#include "features/history_owner.h"
#include "features/materialized.h"
#include "features/served.h"
#include "features/verify.h"

// Served vectors, computed again from the history. First all of them as a training set would be;
// then those that differ, as they could be served at the row of the history at which they were.
namespace slip::features {
namespace {

struct Group {  // Of one version of the service and one state of what it reads.
  ReadPlan plan;
  std::vector<ServedVector> vectors;
};

RequestColumns request_of(const Group& group, const std::vector<size_t>& which) {
  RequestColumns out;
  out.rows = static_cast<int64_t>(which.size());
  const auto add = [&](const std::vector<FeatureField>& fields,
                       const std::vector<Cell> ServedVector::* cells) {
    for (size_t k = 0; k < fields.size(); ++k) {
      std::vector<Cell>& column = out.columns[fields[k].name];
      if (!column.empty()) continue;  // A key that is also data of the request.
      for (const size_t i : which) column.push_back((group.vectors[i].*cells)[k]);
    }
  };
  add(group.plan.keys, &ServedVector::keys);
  add(group.plan.request, &ServedVector::request);
  return out;
}

using Pair = std::pair<size_t, size_t>;  // A vector of the group, a feature of its plan.

class Replay {
 public:
  Replay(Features& features, store::Db& db, const Group& group, VerifyReport* report)
      : features_(features), db_(db), group_(group), report_(report) {}

  Status run() {
    const size_t first = report_->features.size();
    for (const ReadPlan::Out& o : group_.plan.outs)
      report_->features.push_back(
          {.feature = o.name, .view = o.view, .values = 0, .equal = 0, .differ = {}});
    parity_ = std::span(report_->features).subspan(first);
    std::vector<size_t> all(group_.vectors.size());
    for (size_t i = 0; i < all.size(); ++i) all[i] = i;
    std::vector<Pair> differ;
    TRY(compare(all, {.mode = JoinMode::kAsKnown}, [&](Pair at, bool equal, const Cell& replayed) {
      ++parity_[at.second].values;
      ++report_->values;
      if (!equal) {
        differ.push_back(at);
        replayed_[at] = replayed;
        return;
      }
      ++parity_[at.second].equal;
      ++report_->equal;
    }));
    return differ.empty() ? Status() : explain(differ);
  }

 private:
  using OnValue = std::function<void(Pair, bool, const Cell&)>;
  Status compare(const std::vector<size_t>& which, const Features::Joining& how,
                 const OnValue& on_value) {
    std::vector<int64_t> times;
    for (const size_t i : which) times.push_back(group_.vectors[i].served_us);
    const std::string& project = group_.vectors[0].project;
    const Features::Joined joined =
        TRY(features_.join(project, group_.plan, request_of(group_, which), times, how));
    for (size_t row = 0; row < which.size(); ++row)
      for (size_t f = 0; f < group_.plan.outs.size(); ++f) {
        const Cell& replayed = joined.values[f][row];
        on_value({which[row], f}, same_bits(group_.vectors[which[row]].values[f], replayed),
                 replayed);
      }
    return {};
  }

  // Those of `wanted` that such a replay reproduces.
  Result<std::set<Pair>> reproduced(const std::vector<size_t>& which, const std::set<Pair>& wanted,
                                    const Features::Joining& how) {
    std::set<Pair> out;
    TRY(compare(which, how, [&](Pair at, bool equal, const Cell&) {
      if (equal && wanted.contains(at)) out.insert(at);
    }));
    return out;
  }

  static std::vector<size_t> vectors_of(const std::set<Pair>& pairs) {
    std::vector<size_t> out;
    for (const Pair& at : pairs)
      if (out.empty() || out.back() != at.first) out.push_back(at.first);
    return out;
  }

  // Takes those of `open` away that such a replay reproduces, and names their cause.
  Status take_away(const Features::Joining& how, const std::function<Cause(Pair)>& cause_of,
                   std::set<Pair>* open) {
    if (open->empty()) return {};
    for (const Pair& at : TRY(reproduced(vectors_of(*open), *open, how))) {
      open->erase(at);
      differs(at, cause_of(at));
    }
    return {};
  }

  Status explain(const std::vector<Pair>& differ) {
    TRY(learn_sources());
    std::set<Pair> open(differ.begin(), differ.end());
    Features::Joining how{
        .mode = JoinMode::kAsKnown, .ignore_ttl = features_.ignores_ttl(), .served = true};
    TRY(take_away(
        how,
        [&](Pair at) {
          return late_.contains(group_.plan.outs[at.second].view) ? Cause::kLateData
                                                                  : Cause::kOneSided;
        },
        &open));
    TRY(explain_moments(&open));
    how.ignore_ttl = true;
    TRY(take_away(how, [](Pair) { return Cause::kTtl; }, &open));
    for (auto at = open.begin(); at != open.end();) {
      const bool erased = group_.vectors[at->first].served_us <= erased_us_;
      const bool function = is_function(group_.plan.outs[at->second]);
      if (erased || function) differs(*at, erased ? Cause::kErased : Cause::kFunction);
      at = erased || function ? open.erase(at) : std::next(at);
    }
    for (const Pair& at : open)
      differs(at, group_.vectors[at.first].engine != engine_fingerprint() ? Cause::kEngine
                                                                          : Cause::kUnexplained);
    return {};
  }

  bool is_function(const ReadPlan::Out& out) const {
    return out.computed && group_.plan.computed[out.from].what->definition.python;
  }

  // What had been stamped and was not yet applied: as of the last row that had been.
  Status explain_moments(std::set<Pair>* open) {
    for (auto at = open->begin(); at != open->end();) {
      const bool moved = moving(*at);
      if (moved) differs(*at, Cause::kInFlight);
      at = moved ? open->erase(at) : std::next(at);
    }
    std::map<int64_t, std::set<Pair>> by_seq;
    for (const Pair& at : *open) by_seq[group_.vectors[at.first].applied_seq].insert(at);
    size_t moments = 0;
    for (auto& [seq, pairs] : by_seq) {
      if (++moments > kVerifySeqsMax) break;
      const Features::Joining how{.mode = JoinMode::kAsKnown,
                                  .max_seq = seq,
                                  .ignore_ttl = features_.ignores_ttl(),
                                  .served = true};
      const std::set<Pair> before = pairs;
      TRY(take_away(how, [](Pair) { return Cause::kInFlight; }, &pairs));
      for (const Pair& at : before)
        if (!pairs.contains(at)) open->erase(at);
    }
    return {};
  }

  // Which views' rows came online when, and which have files that came after the vectors.
  Status learn_sources() {
    const std::string& project = group_.vectors[0].project;
    TRY(db_.read([&](store::Tx& tx) -> Status {
      TRY(tx.first("SELECT MAX(done_us) FROM feature_erasure WHERE project = ? AND rows_count > 0",
                   {project}, [&](const store::Row& row) { erased_us_ = row.i64(0); }));
      return {};
    }));
    int64_t first_seq = INT64_MAX;
    for (const ServedVector& v : group_.vectors) first_seq = std::min(first_seq, v.applied_seq);
    for (const ReadPlan::Read& read : group_.plan.reads) {
      materialized_[read.view->name] = TRY(materializations(db_, project, read.view->uid));
      for (const Segment& s : TRY(features_.history().segments(project, read.view->source_name)))
        if (s.loaded && s.last_seq > first_seq) late_.insert(read.view->name);
    }
    for (const ReadPlan::Out& o : group_.plan.outs)
      if (o.computed)
        for (const auto& [read, place] : group_.plan.computed[o.from].inputs)
          if (late_.contains(group_.plan.reads[read].view->name)) late_.insert(o.view);
    return {};
  }

  bool moving(const Pair& at) const {
    const int64_t served_us = group_.vectors[at.first].served_us;
    const ReadPlan::Out& out = group_.plan.outs[at.second];
    const auto moves = [&](size_t read) {
      return in_motion(materialized_.at(group_.plan.reads[read].view->name), served_us);
    };
    if (!out.computed) return moves(out.from);
    const auto& inputs = group_.plan.computed[out.from].inputs;
    return std::any_of(inputs.begin(), inputs.end(), [&](const auto& i) { return moves(i.first); });
  }

  void differs(const Pair& at, Cause cause) {
    ++parity_[at.second].differ[cause];
    if (breaks_parity(cause)) ++report_->broken;
    const ServedVector& v = group_.vectors[at.first];
    Difference d;
    d.feature = parity_[at.second].feature;
    d.cause = cause;
    d.served_us = v.served_us;
    d.service_version = v.service_version;
    for (size_t k = 0; k < v.keys.size(); ++k)
      d.keys.emplace_back(group_.plan.keys[k].name, v.keys[k]);
    d.served = v.values[at.second];
    d.replayed = replayed_.at(at);
    report_->examples.push_back(std::move(d));
    if (report_->examples.size() >= 2 * kVerifyExamplesMax) keep_gravest();
  }

 public:
  void keep_gravest() {
    std::stable_sort(report_->examples.begin(), report_->examples.end(),
                     [](const Difference& a, const Difference& b) { return a.cause > b.cause; });
    if (report_->examples.size() > kVerifyExamplesMax) report_->examples.resize(kVerifyExamplesMax);
  }

 private:
  Features& features_;
  store::Db& db_;
  const Group& group_;
  VerifyReport* report_;
  std::span<FeatureParity> parity_;
  std::map<Pair, Cell> replayed_;
  std::map<std::string, std::vector<Materialization>> materialized_;
  std::set<std::string> late_;
  int64_t erased_us_ = 0;  // The last time that rows were erased.
};

bool fits(const ServedVector& v, const ReadPlan& plan) {
  return v.shape == plan.shape && v.values.size() == plan.outs.size() &&
         v.keys.size() == plan.keys.size() && v.request.size() == plan.request.size();
}

}  // namespace

std::string_view cause_name(Cause cause) {
  constexpr std::string_view kNames[kCauses] = {
      "in_flight", "late_data", "one_sided", "erased", "udf", "ttl", "engine", "unexplained"};
  return kNames[static_cast<size_t>(cause)];
}

bool breaks_parity(Cause cause) { return cause >= Cause::kTtl; }

Result<VerifyReport> Features::verify(const Ctx& ctx, const VerifyWanted& wanted) {
  if (deps_.owner != nullptr) TRY(deps_.owner->check());
  if (wanted.limit < 1 || wanted.limit > kVerifyVectorsMax)
    return invalid("feature.request", concat({"a limit of 1 to ", std::to_string(kVerifyVectorsMax),
                                              " vectors is wanted"}));
  const std::shared_ptr<const Shelf> shelf = catalog_.shelf(ctx.project.text);
  TRY(plan_service(*shelf, wanted.service, 0, false));
  VerifyReport report;
  std::deque<ServedVector> newest;
  for (const store::LogSegment& s : deps_.served.segments()) {
    const Result<int64_t> read =
        deps_.served.read(s.number, 0, [&](std::string_view bytes, int64_t) -> Result<bool> {
          ServedVector v = TRY(decode_served(bytes));
          if (v.project != ctx.project.text || v.service != wanted.service) return true;
          if (v.served_us < wanted.since_us || v.served_us >= wanted.until_us) return true;
          newest.push_back(std::move(v));
          if (static_cast<int64_t>(newest.size()) > wanted.limit) newest.pop_front();
          return true;
        });
    if (!read.ok() && read.error().code != Code::kNotFound) return read.error();
  }
  std::map<std::pair<int64_t, uint64_t>, Group> groups;
  for (ServedVector& v : newest) {
    report.oldest_us =
        report.oldest_us == 0 ? v.served_us : std::min(report.oldest_us, v.served_us);
    report.newest_us = std::max(report.newest_us, v.served_us);
    if (!v.settled) {
      ++report.unsettled;
      continue;
    }
    Group& group = groups[{v.service_version, v.shape}];
    group.vectors.push_back(std::move(v));
  }
  for (auto& [key, group] : groups) {
    Result<ReadPlan> plan = plan_service(*shelf, wanted.service, key.first, false);
    const auto n = static_cast<int64_t>(group.vectors.size());
    if (!plan.ok() || !fits(group.vectors[0], *plan)) {
      report.redefined += n;
      continue;
    }
    group.plan = std::move(*plan);
    report.vectors += n;
    Replay replay(*this, deps_.db, group, &report);
    TRY(replay.run());
    replay.keep_gravest();
  }
  return report;
}

}  // namespace slip::features
