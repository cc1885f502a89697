#include <array>
#include <map>
#include <memory>
#include <tuple>
#include <utility>

#include "base/text.h"
#include "sys/clock.h"
#include "tracking/counted.h"
#include "tracking/pending_store.h"
#include "tracking/run_rules.h"
#include "tracking/runs.h"
#include "tracking/validate.h"

// Logging to a run: metrics, parameters and tags, all or none. The hot path: a request is checked
// and written down for the ledger on the caller's thread, its body looks up numbers and writes rows
// of numbers, and whoever must not wait submits it.
namespace slip::tracking {
namespace {

struct ChangedParam {
  std::string key;
  std::string old;
  std::string wanted;
};

Error params_changed(const std::string& run_id, const std::vector<ChangedParam>& all, bool single) {
  if (single)
    return invalid("run.param_changed",
                   concat({"Changing param values is not allowed. Param with key='", all[0].key,
                           "' was already logged with value='", all[0].old, "' for run ID='",
                           run_id, "'. Attempted logging new value '", all[0].wanted, "'."}));
  std::string list;
  for (const ChangedParam& p : all)
    list += concat({list.empty() ? "" : ", ", "{'key': '", p.key, "', 'old_value': '", p.old,
                    "', 'new_value': '", p.wanted, "'}"});
  return invalid("run.param_changed",
                 concat({"Changing param values is not allowed. Params were already logged='[",
                         list, "]' for run ID='", run_id, "'."}));
}

}  // namespace

// One request to log. write() may run more than once, on another thread.
class Runs::Logging {
 public:
  Logging(Runs& runs, const Ctx& ctx, std::string run_id, Batch batch)
      : runs_(runs), ctx_(ctx), run_id_(std::move(run_id)), batch_(std::move(batch)) {}

  Status check() {
    if (!batch_.single) TRY(check_run_id(run_id_));
    TRY(check_batch(batch_.metrics, batch_.params, batch_.tags, batch_.single));
    for (Tag& param : batch_.params) param.value = cut(param.value, kParamValueMax);
    for (Tag& tag : batch_.tags) tag.value = cut(tag.value, kTagValueMax);
    told_ = {{{kMetricsLogged, counted_metrics(batch_.metrics)},
              {"run.params_logged", counted_tags(batch_.params)},
              {"run.tags_changed", counted_tags(batch_.tags)}}};
    waits_ = may_wait();
    return {};
  }

  Status write(store::Tx& tx) {
    const sql::RunRef run = TRY(must_find_ref(tx, ctx_.project.text, run_id_));
    TRY(check_active(run_id_, run.lifecycle));
    experiment_id_ = run.experiment_id;
    if (waits_) return put_aside(tx, run.run_n);
    TRY(write_params(tx, run.run_n));
    for (const Tag& tag : batch_.tags) {
      TRY(sql::put_run_tag(tx, run.run_n, tag));
      if (tag.key == kRunNameTag) TRY(sql::rename_run(tx, run.run_n, tag.value));
    }
    TRY(write_metrics(tx, run.run_n));
    for (const auto& [verb, counted] : told_)
      if (counted.n > 0)
        TRY(runs_.deps_.ledger.count(tx, ctx_, run_event(verb, run_id_, run.experiment_id),
                                     counted));
    return {};
  }

  // After the commit: numbers that were new are now true, and readers know what waits.
  void committed() {
    if (waits_) runs_.pending_.added({ctx_.project.text, run_id_, experiment_id_}, row_);
    for (const auto& [key, curve] : curves_)
      if (!curve.known) runs_.keys_.remember(ctx_.project.text, key, curve.key_n);
  }

 private:
  struct OneCurve {
    int64_t key_n = 0;
    bool known = false;
    const Metric* newest = nullptr;  // So that each name's latest is raised once.
  };

  // Metrics of logged models lie in a table of their own.
  bool may_wait() const {
    if (!batch_.params.empty() || !batch_.tags.empty()) return false;
    for (const Metric& m : batch_.metrics)
      if (!m.model_id.empty()) return false;
    return runs_.pending_.takes(batch_.metrics.size());
  }

  Status put_aside(store::Tx& tx, int64_t run_n) {
    row_ = {.pending_n = 0,
            .run_n = run_n,
            .points = told_[0].second.n,
            .at_us = runs_.deps_.clock.now_us(),
            .actor_uid = ctx_.actor_uid,
            .actor_kind = ctx_.actor_kind,
            .logged = told_[0].second.items[0]};
    return runs_.pending_.put(tx, &row_);
  }

  Status write_params(store::Tx& tx, int64_t run_n) {
    std::vector<ChangedParam> changed;
    for (const Tag& param : batch_.params) {
      std::string old;
      if (TRY(sql::add_param(tx, run_n, param, &old)) || old == param.value) continue;
      changed.push_back({param.key, old, param.value});
    }
    if (changed.empty()) return {};
    return params_changed(run_id_, changed, batch_.single);
  }

  Status write_metrics(store::Tx& tx, int64_t run_n) {
    const auto rank = [](const Metric& m) {
      return std::tuple(m.step, m.timestamp_ms, sql::encode_number(m.value).value);
    };
    curves_.clear();
    for (const Metric& m : batch_.metrics) {
      const auto [at, is_new] = curves_.try_emplace(m.key);
      OneCurve& curve = at->second;
      if (is_new) TRY(find_number(tx, m.key, &curve));
      TRY(sql::add_point(tx, run_n, curve.key_n, m));
      if (!m.model_id.empty()) TRY(sql::put_model_metric(tx, ctx_.project.text, run_id_, m));
      if (!curve.newest || rank(m) > rank(*curve.newest)) curve.newest = &m;
    }
    for (const auto& [key, curve] : curves_)
      TRY(sql::raise_latest(tx, run_n, curve.key_n, *curve.newest));
    return {};
  }

  Status find_number(store::Tx& tx, std::string_view key, OneCurve* curve) {
    if (const auto known = runs_.keys_.find(ctx_.project.text, key)) {
      curve->key_n = *known;
      curve->known = true;
      return {};
    }
    curve->key_n = TRY(sql::key_number(tx, ctx_.project.text, key));
    return {};
  }

  Runs& runs_;
  const Ctx& ctx_;
  const std::string run_id_;
  Batch batch_;
  std::array<std::pair<std::string_view, ledger::Ledger::Counted>, 3> told_;
  std::map<std::string_view, OneCurve> curves_;
  bool waits_ = false;  // As one row, to be folded in: see pending.h.
  sql::PendingRow row_;
  int64_t experiment_id_ = 0;
};

Status Runs::log(const Ctx& ctx, const std::string& run_id, Batch batch) {
  Logging logging(*this, ctx, run_id, std::move(batch));
  TRY(logging.check());
  TRY(deps_.db.write([&](store::Tx& tx) { return logging.write(tx); }));
  logging.committed();
  return {};
}

void Runs::submit_log(const Ctx& ctx, std::string run_id, Batch batch, Logged done) {
  const auto logging = std::make_shared<Logging>(*this, ctx, std::move(run_id), std::move(batch));
  if (Status checked = logging->check(); !checked.ok()) return done(std::move(checked));
  deps_.db.submit([logging](store::Tx& tx) { return logging->write(tx); },
                  [logging, done = std::move(done)](Status written) {
                    if (written.ok()) logging->committed();
                    done(std::move(written));
                  });
}

}  // namespace slip::tracking
