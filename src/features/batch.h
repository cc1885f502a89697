#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "features/cell.h"

// Rows of one source as they arrived together: the record of the arrivals' log and what history is
// read in. A row is named by its sequence number, given in the order of arrival. Values; one thread
// at a time.
namespace slip::features {

enum class To : uint8_t { kOnline = 1, kOffline = 2, kBoth = 3 };
inline bool goes_online(To to) { return (static_cast<int>(to) & 1) != 0; }
inline bool goes_offline(To to) { return (static_cast<int>(to) & 2) != 0; }

// limits
inline constexpr int64_t kBatchRowsMax = 8192;  // Of one record; a larger push is cut.

// Up to where a partition of a topic was read when these rows were made of it: the rows and this
// are one record, there together or not at all.
struct StreamMark {
  std::string topic;
  int32_t partition = 0;  // kAnyPartition: of those that nothing is known of yet.
  int64_t from = 0;       // The offset that reading began at.
  int64_t next = 0;       // That it goes on at; negative: the topic's beginning or end (kStream…).
  int64_t last = -1;      // Of the last message that was read; -1: none yet.
  uint64_t print = 0;     // Of that message: a topic that was made anew has another one there.
  bool moved = false;     // Set by hand or by rule: what was read before doesn't lead here.
  bool operator==(const StreamMark&) const = default;
};
inline constexpr int64_t kStreamEnd = -1;
inline constexpr int64_t kStreamBeginning = -2;
inline constexpr int32_t kAnyPartition = -1;

struct Batch {
  std::string project;
  std::string source;
  std::string view;  // For that view alone (a write past the source); "": for all of the source's.
  To to = To::kBoth;
  int64_t ingest_us = 0;  // When the server took them.
  int64_t first_seq = 0;

  std::vector<FeatureField> schema;
  std::vector<engine::Values> columns;  // As in the schema.
  engine::Values event{engine::Type::kTimestampUs};
  engine::Values created{engine::Type::kTimestampUs};  // Null: the moment of arrival.
  engine::Values deleted{engine::Type::kBool};         // Tombstones. Empty: none.
  // Rows that had arrived before and are brought online now keep their numbers and moments.
  std::optional<engine::Values> seqs;
  std::optional<engine::Values> ingested;
  std::vector<StreamMark> marks;  // Of a stream. A batch may have these alone, and no row.

  int64_t rows() const { return event.size(); }
  int64_t seq(int64_t row) const { return seqs ? seqs->view().i64(row) : first_seq + row; }
  int64_t ingest(int64_t row) const { return ingested ? ingested->view().i64(row) : ingest_us; }
  int64_t created_at(int64_t row) const;
  // When the row became known: its arrival; of a file that was loaded what the file says, for its
  // rows were known elsewhere before.
  int64_t known_at(int64_t row, bool loaded) const {
    return loaded ? created_at(row) : ingest(row);
  }
  bool is_deleted(int64_t row) const;
  const engine::Values* find(std::string_view column) const;
};

Batch make_batch(std::vector<FeatureField> schema);
// The source's columns in the order of `wanted`; one that the batch lacks is null in every row.
std::vector<engine::Values> columns_as(const Batch& batch, const std::vector<FeatureField>& wanted);

// The rows of `b` that aren't marked, with their numbers and moments.
Batch rows_that_stay(const Batch& b, const std::vector<bool>& drop);

std::string encode_batch(const Batch& batch);
Result<Batch> decode_batch(std::string_view bytes);  // kCorrupt `feature.record`.

}  // namespace slip::features
