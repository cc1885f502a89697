#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

// Time zones as rules: when which offset from UTC holds. Rules are read from TZif files (RFC 9636,
// version 2 and later) whose bytes the caller supplies, of a release of the database that is part
// of an expression's identity: engines open no files. "UTC" and offsets like "+05:30" are always
// there. Immutable; any thread.
namespace slip::engine::expr {

class Zone {
 public:
  static Zone fixed(int32_t offset_s);
  // kCorrupt `zone.file`.
  static Result<Zone> from_tzif(std::string_view bytes);

  // Seconds east of UTC at that instant.
  int32_t offset_at(int64_t utc_s) const;
  // Local wall clock to UTC. In a fold the earlier instant; in a gap the clock is read with the
  // offset before the gap, which moves it forward by the gap's length.
  int64_t to_utc(int64_t local_s) const;

 private:
  // "CET-1CEST,M3.5.0,M10.5.0/3": when the change of each year happens.
  struct Change {
    enum class Kind : uint8_t { kJulian, kDay, kMonth };
    Kind kind = Kind::kMonth;
    int month = 0;
    int week = 0;
    int day = 0;
    int32_t time_s = 7200;
  };
  struct Footer {
    bool present = false;
    bool summer = false;
    int32_t standard_s = 0;
    int32_t summer_s = 0;
    Change start;
    Change end;
  };
  friend class FooterReader;
  static int64_t change_local_s(const Change& change, int64_t year);
  int32_t by_footer(int64_t utc_s) const;

  std::vector<int64_t> at_s_;      // Sorted.
  std::vector<int32_t> offset_s_;  // From at_s_[i] on.
  int32_t first_s_ = 0;            // Before the first.
  Footer footer_;
};

// The caller's database: bytes of a TZif file by name ("Europe/Berlin"), and the release they are
// of
// ("2025b").
struct ZoneSource {
  std::string version;
  std::function<Result<std::string>(std::string_view name)> bytes;
};

// "UTC", "Z", "+01:00", else by the source. kInvalid `expr.zone` when nobody knows it.
Result<std::shared_ptr<const Zone>> find_zone(std::string_view name, const ZoneSource* source);

}  // namespace slip::engine::expr
