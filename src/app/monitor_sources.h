#pragma once

#include <functional>

#include "data/data.h"
#include "monitor/monitor.h"
#include "rollout/guard.h"
#include "serving/serving.h"

// What the monitor asks of its neighbours, without any of them knowing the other.
namespace slip::app {

// Columns of a dataset version, as the monitor wants them.
class DatasetReference final : public monitor::ReferenceSource {
 public:
  explicit DatasetReference(data::Data& data) : data_(data) {}
  Result<std::map<std::string, monitor::InputValues>> read(
      const Ctx& ctx, const std::string& dataset, int64_t version,
      const std::map<std::string, monitor::InputKind>& columns, int64_t rows_max) override;

 private:
  data::Data& data_;
};

class ServedDeployments final : public monitor::DeploymentSource {
 public:
  explicit ServedDeployments(serving::Serving& serving) : serving_(serving) {}
  Result<std::string> uid_of(const Ctx& ctx, const std::string& deployment) override;

 private:
  serving::Serving& serving_;
};

// Lets the canary's guard hear of labels; `decided` runs after a commit in which it took one back.
class GuardedOutcomes final : public monitor::OutcomeSink {
 public:
  GuardedOutcomes(rollout::Guard& guard, std::function<void()> decided)
      : guard_(guard), decided_(std::move(decided)) {}
  Result<bool> on_outcomes(store::Tx& tx, const Ctx& ctx, const std::string& deployment_uid,
                           std::span<const monitor::Labelled> outcomes) override;
  void after_commit() override { decided_(); }

 private:
  rollout::Guard& guard_;
  std::function<void()> decided_;
};

}  // namespace slip::app
