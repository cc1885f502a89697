#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "codec/hash.h"

// What clients were told, and what must therefore hold after any crash.
namespace slip::sim {

struct Promises {
  std::set<std::string> facts;                 // Acknowledged.
  std::set<std::string> facts_attempted;       // Those too whose reply was an error.
  std::set<std::string> facts_refused;         // Their own body said no: must never be seen.
  std::map<codec::Sha256, std::string> blobs;  // Acknowledged and referenced: contents.
  std::set<std::string> records;               // Of the log, acknowledged with the disk.
  std::set<std::string> records_attempted;
  std::multiset<int64_t> puts_under_way;  // When they began: put, but not yet referenced.
  std::set<int64_t> holders;              // Versions that somebody was told to hold Production.
  int64_t seq_seen = 0;                   // Highest ledger sequence that anybody has read.
};

class Violations {
 public:
  void add(std::string text) {
    if (texts_.size() < kKept) texts_.push_back(std::move(text));
  }
  void require(bool held, const std::string& text) {
    if (!held) add(text);
  }
  const std::vector<std::string>& all() const { return texts_; }

 private:
  static constexpr size_t kKept = 20;
  std::vector<std::string> texts_;
};

}  // namespace slip::sim
