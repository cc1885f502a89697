#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "codec/json.h"
#include "engine/stats/eprocess.h"
#include "store/db.h"
#include "sys/ctx.h"

namespace slip::serving {
class Serving;
struct Canary;
}  // namespace slip::serving

// The guard of a canary: takes labelled outcomes as they join and takes the canary back, by itself,
// once it is sure that the canary errs more than its share. "Sure": the conditional multinomial
// e-process over the errors of both arms reaches 1/alpha (engine/stats/eprocess.h), which happens
// to an equally good canary with probability at most alpha, however often one looks.
//
// Assumes that a label is as likely to arrive for one arm as for the other, and that each error
// fell on its arm by a draw of its own. A client's reference is drawn once, however many requests
// carry it, and a request once, however many rows it has, so only the first outcome of each is
// evidence. The outcomes, the verdict, the change of the deployment and its ledger event are one
// transaction.
namespace slip::rollout {

struct Outcome {
  std::string prediction_id;
  int64_t row = 0;
  int64_t model_version = 0;
  bool on_canary = false;
  double canary_weight = 0;  // When the prediction was made; 0: no canary ran.
  std::string client_ref;    // Decided the arm when there is one.
  bool correct = false;
};

// The guard's memory of one canary: what evidence there is, and a digest chain over the outcomes in
// the order they were taken, so that a verdict can be replayed and its data compared. Pure.
class GuardState {
 public:
  GuardState();

  void add(const Outcome& outcome);
  void add_repeated() { ++n_repeated_; }
  bool condemns(double alpha) const { return errors_.worse(kCanaryArm, alpha); }
  // {decision, n, n_canary, n_repeated, errors: {stable, canary}, e_value, threshold, alpha,
  //  expected_share, observed_share, data_digest, reason}
  codec::Json verdict(double alpha) const;

  int64_t outcomes() const { return n_; }
  double e_value() const { return errors_.e_value(); }
  codec::Json to_json() const;
  static Result<GuardState> from_json(const codec::Json& json);

 private:
  static constexpr size_t kCanaryArm = 1;
  stats::EProcess errors_;
  int64_t n_ = 0;
  int64_t n_canary_ = 0;
  int64_t n_repeated_ = 0;
  std::string digest_;  // SHA-256, hex.
};

class Guard {
 public:
  struct Deps {
    serving::Serving& serving;
  };
  explicit Guard(Deps deps) : deps_(deps) {}

  // Inside the transaction in which the labels joined. True when the canary was taken back: the
  // caller lets serving refresh after the commit.
  Result<bool> on_outcomes(store::Tx& tx, const Ctx& ctx, const std::string& deployment_uid,
                           std::span<const Outcome> outcomes);

  // What is known of a canary so far, in the words of a verdict; looking changes nothing.
  Result<codec::Json> evidence(store::Tx& tx, const Ctx& ctx, const std::string& deployment_uid,
                               const serving::Canary& canary) const;

  // Drops what was remembered of the draws of canaries that have ended, at most
  // store::kWriteRowsMax of them; how many.
  Result<int64_t> forget_draws(store::Tx& tx);

 private:
  Deps deps_;
};

// How often equally good canaries would be taken back: `runs` simulated histories of `outcomes`
// labelled predictions each, looked at after every one. What `slipway sim aa` prints.
struct AaSpec {
  uint64_t seed = 1;
  int64_t runs = 200;
  int64_t outcomes = 2000;
  double error_rate = 0.2;
  double weight = 0.2;
  double alpha = 0.01;
};
struct AaResult {
  int64_t runs = 0;
  int64_t rolled_back = 0;
  double e_value_max = 0;
};
AaResult simulate_aa(const AaSpec& spec);

std::span<const store::Migration> migrations();

}  // namespace slip::rollout
