#pragma once

#include <span>

#include "core/ledger/ledger.h"
#include "store/db.h"
#include "tracking/artifact_uploads.h"
#include "tracking/artifacts.h"
#include "tracking/curves.h"
#include "tracking/deps.h"
#include "tracking/experiments.h"
#include "tracking/imports.h"
#include "tracking/logged_models.h"
#include "tracking/pending.h"
#include "tracking/purge.h"
#include "tracking/reproductions.h"
#include "tracking/run_table.h"
#include "tracking/runs.h"
#include "tracking/trace_metrics.h"
#include "tracking/traces.h"

// Experiment tracking: what was tried, on what data, with what result. One object that holds the
// services; each is usable alone. Facts and their ledger events commit together. Any thread.
namespace slip::tracking {

struct Tracking {
  explicit Tracking(Deps deps)
      : experiments(deps),
        pending(deps),
        runs(deps, experiments, pending),
        run_table(deps, pending),
        curves(deps, pending),
        models(deps, experiments),
        artifacts(deps),
        uploads(deps, artifacts),
        traces(deps, experiments),
        trace_metrics(deps),
        purge(deps, pending),
        reproductions(deps, pending),
        imports(deps, experiments, pending) {}

  Experiments experiments;
  PendingMetrics pending;
  Runs runs;
  RunTable run_table;
  Curves curves;
  LoggedModels models;
  Artifacts artifacts;
  ArtifactUploads uploads;
  Traces traces;
  TraceMetrics trace_metrics;
  Purge purge;
  Reproductions reproductions;
  Imports imports;
};

std::span<const store::Migration> migrations();
std::span<const ledger::Scope> event_scopes();

}  // namespace slip::tracking
