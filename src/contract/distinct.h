#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "codec/table.h"
#include "engine/column/column.h"
#include "engine/pit/keys.h"

// How many rows repeat the key of an earlier row, exactly, within a bound of memory. Keys are typed
// tuples as engine::Keys compares them; a tuple with a null in it is no key. One column of integers
// or times that lie close together is a bitmap; other keys are a table; beyond the bound the keys
// go to 64 parts of a Spill by their hash, and the parts are read one by one at the end. Without a
// Spill counting ends there, and says so. One thread.
namespace slip::contract {

// Where keys go that memory doesn't hold: named byte streams, written once, then read.
class Spill {
 public:
  virtual ~Spill() = default;
  virtual Status append(const std::string& name, std::string_view bytes) = 0;
  virtual Result<std::unique_ptr<codec::ByteSource>> open(const std::string& name) = 0;
  virtual Status remove(const std::string& name) = 0;
};

struct DistinctOptions {
  int64_t memory_bytes = 256 << 20;
  Spill* spill = nullptr;
  std::string name;     // Of its streams.
  size_t samples = 10;  // Row numbers that are kept.
};

class DistinctCounter {
 public:
  DistinctCounter(std::span<const engine::Column> like, DistinctOptions options);

  Status add(std::span<const engine::Column> columns, int64_t rows, int64_t first_row);
  Status finish();

  int64_t repeats() const { return repeats_; }
  const std::vector<int64_t>& rows() const { return rows_; }  // The first ones, in order.
  bool complete() const { return complete_; }  // False: memory ended and there was no Spill.

 private:
  struct Dense {  // A bitmap of [low, low + 64 * words).
    int64_t low = 0;
    std::vector<uint64_t> words;
    int64_t seen = 0;
  };

  bool add_dense(const engine::Column& column, int64_t first_row);
  bool make_room(int64_t low, int64_t high);
  Status leave_dense();
  Status add_keys(std::span<const engine::Column> columns, int64_t rows, int64_t first_row);
  Status start_spill();
  Status spill_row(std::span<const engine::Column> columns, int64_t i, int64_t row);
  Status flush(size_t part);
  Status count_part(const std::string& name, int level);
  Status split_part(const std::string& name, int level);
  void note(int64_t row);

  DistinctOptions options_;
  std::vector<engine::Column> like_;
  engine::Keys keys_;
  Dense dense_;
  bool is_dense_ = false;
  bool spilling_ = false;
  bool complete_ = true;
  std::vector<std::string> buffers_;
  std::vector<char> written_;
  int64_t repeats_ = 0;
  std::vector<int64_t> rows_;
};

}  // namespace slip::contract
