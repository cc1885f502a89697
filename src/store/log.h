#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "store/db.h"

// A segmented append-only log of framed records, for what arrives faster than a database wants it:
// predictions first of all. A segment is a file of at most `segment_bytes` (header: magic, format,
// segment number, checksum; frame: length, XXH3 of number and payload, payload). Closed segments
// never change, not by a crash either: one that could not be synced counts as closed when what was
// never acknowledged is cut off it. Whoever has taken a segment over (compaction) removes it.
//
// What append() promises is the ack: kKernel: the bytes have been written (survive SIGKILL);
// kDisk: synced together with whoever else waits (survive power loss); kNone: queued in memory and
// written by the next append or close. After a crash the last segment is cut at its first broken
// frame; it holds every acknowledged record. Appending is for any thread; reading too.
//
// Errors: kExhausted `log.full` (limit_bytes on disk), kExhausted `log.record_too_large`,
// kUnavailable `fs.io`, kExhausted `fs.full`, kCorrupt `log.corrupt`.
namespace slip::store {

enum class LogAck : uint8_t { kNone, kKernel, kDisk };

struct LogOptions {
  int64_t segment_bytes = 64 << 20;
  int64_t limit_bytes = int64_t{4} << 30;  // All segments; then appends are refused.
  int64_t record_bytes_max = 16 << 20;
};

struct LogSegment {
  int64_t number = 0;  // 1, 2, … never reused.
  int64_t bytes = 0;
  bool closed = false;
};

class SegmentLog {
 public:
  virtual ~SegmentLog() = default;
  // All of `records` or none of them.
  virtual Status append(std::span<const std::string_view> records, LogAck ack) = 0;
  // Closes the current segment if it holds a record; the next append opens a new one.
  virtual Status rotate() = 0;
  virtual std::vector<LogSegment> segments() const = 0;  // In order.
  // Calls `on_record(payload, position)` for each whole record from `position` on (0: the first)
  // until it says false; of the open segment: what was written so far. Where to go on: the
  // position after the last record that was taken. kNotFound when the segment has been removed.
  using OnRecord = std::function<Result<bool>(std::string_view payload, int64_t position)>;
  virtual Result<int64_t> read(int64_t segment, int64_t position, const OnRecord& on_record) = 0;
  // CHECKs that it is closed; fine when gone. After an error it may come back with the next start.
  virtual Status remove(int64_t segment) = 0;
};

Result<std::unique_ptr<SegmentLog>> open_segment_log(World world, const std::string& dir,
                                                     LogOptions options);

}  // namespace slip::store
