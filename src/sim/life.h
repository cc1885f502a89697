#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "sys/sim/sim_executor.h"
#include "sys/sim/sim_fs.h"
#include "sys/sim/sim_rng.h"

// What the lives of all simulated histories have in common: faults of the disk, and clients that
// work side by side until they are done or the power fails.
namespace slip::sim {

struct FaultOdds {
  uint64_t crash_below;   // Turns of the scheduler before the power fails.
  uint64_t change_below;  // Changing calls before one fails.
  uint64_t full_one_in;
};

struct Faults {
  uint64_t crash_at = 0;  // 0: when everybody is done.
  bool full = false;      // The disk is to fill up.
  bool any = false;       // Opening may fail.
};

// Each kind of fault is left out in half of the lives or more, so that the others get their turn.
inline Faults choose_faults(SimFs& fs, SimRng& dice, const FaultOdds& odds) {
  Faults out;
  out.crash_at = dice.one_in(2) ? dice.below(odds.crash_below) : 0;
  const bool nth = dice.one_in(2);
  if (nth)
    fs.fail_nth_change(1 + static_cast<int64_t>(dice.below(odds.change_below)),
                       dice.one_in(2) ? SimFs::Fault::kIo : SimFs::Fault::kFull);
  out.full = dice.one_in(odds.full_one_in);
  out.any = nth || out.full;
  return out;
}

// Runs `steps` of each client as a task of its own; the disk freezes at `crash_at`.
template <class Client>
void run_clients(SimExecutor& executor, SimFs& fs,
                 const std::vector<std::unique_ptr<Client>>& clients, int steps,
                 uint64_t crash_at) {
  std::vector<std::unique_ptr<Task>> tasks;
  for (const std::unique_ptr<Client>& c : clients)
    tasks.push_back(executor.spawn("client", [client = c.get(), steps] { client->run(steps); }));
  for (uint64_t i = 0; i < crash_at; ++i) executor.yield("until the crash");
  if (crash_at > 0) fs.freeze();
  for (const std::unique_ptr<Task>& t : tasks) t->join();
}

}  // namespace slip::sim
