#pragma once

#include <memory>
#include <vector>

#include "core/hold/hold.h"
#include "core/ledger/ledger.h"
#include "sys/executor.h"
#include "sys/log.h"
#include "sys/rng.h"
#include "sys/sim/sim_fs.h"
#include "test/fake/clock.h"
#include "test/store/dbs.h"
#include "tracking/tracking.h"

// Tracking on each database, with blobs on a simulated disk and time that stands still.
namespace slip::test {

// The schema that tracking stands on, and its own.
inline std::vector<store::Migration> tracking_steps() {
  std::vector<store::Migration> out;
  for (const auto& all : {ledger::migrations(), hold::migrations(), tracking::migrations()})
    out.insert(out.end(), all.begin(), all.end());
  return out;
}

class TrackingDbTest : public DbTest {
 protected:
  void SetUp() override {
    migrated(tracking_steps());
    events = std::make_unique<ledger::Ledger>(ledger::Ledger::Deps{db(), clock, real_rng()});
    blobs = store::open_blobs({fs, clock, real_executor(), null_log()}, "/blobs").value();
    tracking = std::make_unique<tracking::Tracking>(
        tracking::Deps{db(), *blobs, *events, clock, real_rng()});
  }

  sim::SimFs fs{1};
  FakeClock clock;
  Ctx ctx;
  std::unique_ptr<ledger::Ledger> events;
  std::unique_ptr<store::Blobs> blobs;
  std::unique_ptr<tracking::Tracking> tracking;
};

}  // namespace slip::test
