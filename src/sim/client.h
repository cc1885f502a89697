#pragma once

#include <cstdint>
#include <string>

#include "sim/history.h"
#include "sim/promises.h"
#include "sim/spine.h"

// One client of a history: does random things, keeps account of what it was told. Only the holder
// of the simulation's baton runs, so the shared accounts need no lock.
namespace slip::sim {

class Client {
 public:
  struct Shared {
    Promises& promises;
    Violations& violations;
    HistoryResult& counts;
  };
  Client(Spine& spine, SimExecutor& executor, Shared shared, std::string name, uint64_t seed)
      : spine_(spine), executor_(executor), shared_(shared), name_(std::move(name)), dice_(seed) {
    ctx_.actor_uid = name_;
    ctx_.actor_kind = "user";
  }

  void run(int steps);

 private:
  void step();
  // Counts the outcome; whatever is no fault of the world or rule of the product is a violation.
  bool told(const char* what, const Status& status);
  void write_fact();
  void write_refused_fact();
  void write_blob();
  void put_and_reference(std::string bytes);
  void read_blob();
  void sweep();
  void append_record();
  void consume();
  void read_ledger();
  void govern();
  void change_production();

  Spine& spine_;
  SimExecutor& executor_;
  Shared shared_;
  const std::string name_;
  SimRng dice_;
  Ctx ctx_;
  int64_t next_ = 0;
};

// Everything that must hold whenever nobody is at work; after a crash and a clean start above all.
void check_promises(Spine& spine, Promises& promises, Violations& violations);

}  // namespace slip::sim
