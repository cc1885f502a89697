#pragma once

#include <cstdint>
#include <string>
#include <vector>

// Random histories of the spine in a simulated world: database, blobs, log, ledger and registry,
// several clients at once, on a disk that tears, fills up, fails and loses its power; after each
// loss everything is opened again and held against what had been acknowledged. A seed is a history,
// instruction for instruction.
namespace slip::sim {

struct HistorySpec {
  uint64_t seed = 1;
  int lives = 3;
  int clients = 3;
  int steps = 10;  // Of each client in each life.
};

struct HistoryResult {
  std::vector<std::string> violations;  // Empty: every promise was kept.
  int64_t operations = 0;
  int64_t acknowledged = 0;
  int64_t refused = 0;  // By faults, or by the rules.
  int64_t crashes = 0;

  void add(const HistoryResult& other) {
    violations.insert(violations.end(), other.violations.begin(), other.violations.end());
    operations += other.operations;
    acknowledged += other.acknowledged;
    refused += other.refused;
    crashes += other.crashes;
  }
};

HistoryResult run_history(const HistorySpec& spec);

}  // namespace slip::sim
