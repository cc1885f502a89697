#pragma once

#include <span>

#include "store/db.h"
#include "tracking/artifacts.h"
#include "tracking/deps.h"
#include "tracking/experiments.h"
#include "tracking/logged_models.h"
#include "tracking/runs.h"
#include "tracking/traces.h"

// Experiment tracking: what was tried, on what data, with what result. One object that holds the
// services; each is usable alone. Facts and their ledger events commit together. Any thread.
namespace slip::tracking {

struct Tracking {
  explicit Tracking(Deps deps)
      : experiments(deps),
        runs(deps, experiments),
        models(deps, experiments),
        artifacts(deps),
        traces(deps, experiments) {}

  Experiments experiments;
  Runs runs;
  LoggedModels models;
  Artifacts artifacts;
  Traces traces;
};

std::span<const store::Migration> migrations();

}  // namespace slip::tracking
