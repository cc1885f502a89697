#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "base/result.h"

// Whoever kills workers again and again waits: after kStrikesMax in a row a function is refused for
// a while, twice as long with each further one; an answer, whatever it is, forgives. Pure; its
// owner locks.
namespace slip::worker {

// limits
inline constexpr int kStrikesMax = 3;
inline constexpr int64_t kRefusedMinMs = 10'000;
inline constexpr int64_t kRefusedMaxMs = 600'000;
inline constexpr size_t kStrikersMax = 1024;  // Beyond it the one whose wait ends first is dropped.

class Strikes {
 public:
  // kUnavailable `worker.refused`.
  Status check(const std::string& who, int64_t now_ns) const;
  void killed(const std::string& who, std::string how, int64_t now_ns);
  void answered(const std::string& who) { entries_.erase(who); }
  size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    int count = 0;
    int64_t refused_until_ns = 0;
    std::string how;
  };
  std::map<std::string, Entry> entries_;
};

// 10 s, 20 s, 40 s … 10 min, from the `kStrikesMax`th on.
int64_t refused_ms(int strikes);

}  // namespace slip::worker
