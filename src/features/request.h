#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <span>
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

// Columns of one length in one piece of memory: reading fifty features makes three of these, not
// a hundred and fifty vectors.
template <class T>
class Columns {
 public:
  struct One : std::span<const T> {
    using std::span<const T>::span;
    bool operator==(const std::vector<T>& other) const { return std::ranges::equal(*this, other); }
  };

  void resize(size_t columns, size_t rows) {
    columns_ = columns;
    rows_ = rows;
    cells_.assign(columns * rows, T());
  }
  size_t size() const { return columns_; }
  One operator[](size_t column) const { return One(cells_.data() + column * rows_, rows_); }
  T& at(size_t column, size_t row) { return cells_[column * rows_ + row]; }
  std::vector<std::vector<T>> lists() const {
    std::vector<std::vector<T>> out;
    for (size_t c = 0; c < columns_; ++c) out.emplace_back((*this)[c].begin(), (*this)[c].end());
    return out;
  }
  bool operator==(const Columns&) const = default;

 private:
  std::vector<T> cells_;
  size_t columns_ = 0;
  size_t rows_ = 0;
};

// Column by column in the order of ReadPlan::outs.
struct OnlineReply {
  Columns<Cell> values;
  Columns<ReadStatus> statuses;
  Columns<int64_t> event_us;  // 0: none.
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
