#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "codec/table.h"
#include "features/cell.h"
#include "features/online.h"

// What the feature store is asked with and answers with. Values.
namespace slip::features {

// limits
inline constexpr int64_t kOnlineRowsMax = 100'000;  // Of one reading.

// What a request names: columns of one length, the keys and the request's data.
struct RequestColumns {
  std::map<std::string, std::vector<Cell>> columns;
  int64_t rows = 0;
  const std::vector<Cell>* find(const std::string& name) const {  // Null when there is none.
    const auto found = columns.find(name);
    return found == columns.end() ? nullptr : &found->second;
  }
};

// Column by column in the order of ReadPlan::outs.
struct OnlineReply {
  std::vector<std::vector<Cell>> values;
  std::vector<std::vector<ReadStatus>> statuses;
  std::vector<std::vector<int64_t>> event_us;  // 0: none.
};

class FileRows {
 public:
  virtual ~FileRows() = default;
  virtual codec::TableReader& rows() = 0;
};

enum class JoinMode : uint8_t { kAsOf, kAsKnown };

// Everything that is known of one entity, or counted into others, goes: rows of every source that
// has all of these columns, with these values.
struct Erasing {
  std::vector<std::pair<std::string, codec::Json>> keys;
  std::string reason;
  bool dry_run = false;  // Only counts rows.
};

struct Erased {
  std::vector<std::string> sources;  // That had rows of it.
  int64_t rows = 0;
  int64_t entities = 0;     // Of the online table: gone, or computed again without the rows.
  int64_t vectors = 0;      // Logged ones.
  int64_t quarantined = 0;  // Rows that were kept apart.
};

}  // namespace slip::features
