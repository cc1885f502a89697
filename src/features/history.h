#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "base/result.h"
#include "features/batch.h"
#include "features/definition.h"
#include "features/erasures.h"
#include "store/blobs.h"
#include "store/db.h"
#include "store/log.h"
#include "sys/sync.h"

namespace slip {
class Clock;
class Log;
}  // namespace slip

// All rows that ever arrived, by source: the arrivals' log, and the Parquet segments that its
// closed parts and whole files become. A segment is in the manifest (a table) from one transaction
// on, so a file is seen whole or not at all; only what is in the manifest leaves the log.
//
// A row is in the history once, under the sequence number it got when it arrived. Rows of a stream
// came with the offsets they were read up to, in one record; a record that a failed disk had let go
// of, and which came back beside the one that was written for it again, doesn't count. Reading sees
// a moment's rows, as everything here, is for any thread.
namespace slip::features {

// One file of the manifest.
struct Segment {
  std::string project;
  std::string source;
  std::string view;  // Rows for that view alone; "": for all of the source's.
  int64_t first_seq = 0;
  int64_t last_seq = 0;
  bool loaded = false;  // A file that was given, not archived arrivals: rows are numbered in order.
  To to = To::kBoth;    // Where its rows went when they came. A file comes as kOffline; what is
                        // brought online afterwards is materialised (materialized.h).
  int64_t ingest_us = 0;  // `loaded`: of all rows.
  std::string digest;     // Of the Parquet file.
  std::vector<FeatureField> schema;
  bool numbered = true;  // In writing: each row with its number and arrival, as all but new files.
  int64_t rows = 0;
  int64_t bytes = 0;
  int64_t min_event_us = 0;
  int64_t max_event_us = 0;
};

// A segment on its way; forgotten when not finished. One thread.
class SegmentWriter {
 public:
  static Result<std::unique_ptr<SegmentWriter>> make(store::Blobs& blobs, Segment about);
  ~SegmentWriter();
  Status add(const Batch& batch);  // Rows of the segment's schema.
  Result<Segment> finish();        // The bytes are stored; the manifest doesn't know them yet.

 private:
  struct State;
  explicit SegmentWriter(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

class History {
 public:
  struct Deps {
    store::Db& db;
    store::Blobs& blobs;
    store::SegmentLog& log;
    Clock& clock;
    Log& notes;
  };
  explicit History(Deps deps) : deps_(deps) {}
  // Whether something of it lies here, whatever the database says.
  Result<bool> lies_here();

  // The greatest number and moment that were given so far.
  struct Last {
    int64_t seq = 0;
    int64_t ingest_us = 0;
  };
  Result<Last> last();

  Status append(const Batch& batch);  // On the disk when it returns.

  // A record that could not be kept: should a failed disk bring it back, it doesn't count, for a
  // snapshot may be past it. Those of snapshots are told before last().
  void give_up(int64_t first_seq);
  std::set<int64_t> given_up() const;

  // How far the topics of a source were read: the mark of each partition's newest record. After
  // last(), any time.
  std::vector<StreamMark> stream_marks(const std::string& project, const std::string& source) const;
  void note_marks(const Batch& batch);  // That was appended.
  // Inside the caller's body: the segment is part of the history from the commit on.
  Status publish(store::Tx& tx, const Segment& segment);

  // Every row of a source that arrived, in no order, batch by batch. `first_row` numbers the rows
  // of one reading. `from_us`, `to_us`: batches that lie outside may be left out.
  struct Reading {
    std::string project;
    std::string source;
    int64_t after_seq = 0;  // Only rows beyond it.
    int64_t from_us = INT64_MIN;
    int64_t to_us = INT64_MAX;
    bool online_only = false;  // Also rows that were pushed past the history: for replays.
  };
  struct Chunk {
    const Batch& batch;
    int64_t first_row = 0;
    bool loaded = false;
  };
  using OnChunk = std::function<Status(const Chunk&)>;
  // The same rows in the same order each time visit() is called.
  class View {
   public:
    Status visit(const OnChunk& on_chunk) const;
    int64_t rows() const;
    int64_t last_seq() const;  // The greatest; 0: none.

   private:
    friend class History;
    const History* history_ = nullptr;
    Reading reading_;
    std::vector<Segment> segments_;
    std::vector<Batch> tail_;
  };
  Result<View> read(const Reading& reading);

  // Records of the log with a row beyond `after_seq`, whether archived or not: for a restart.
  Status replay(int64_t after_seq, const std::function<Status(const Batch&)>& on_batch);

  // Turns closed parts of the log into segments, and removes those of them that lie wholly at or
  // below `applied_seq` (which a snapshot of the online table holds). How many were archived.
  Result<int64_t> archive(int64_t applied_seq);
  Status rotate();
  int64_t log_bytes() const;

  Result<std::vector<Segment>> segments(const std::string& project, const std::string& source);
  Result<std::vector<std::string>> sources_of(const std::string& project);  // With segments.

  // Marks rows of a batch that go. A segment that loses rows is written again without them; all of
  // the source's are exchanged in one transaction. Rows in the log aren't looked at: rotate() and
  // archive() before. How many went.
  using Drop = std::function<Status(const Batch& batch, std::vector<bool>* drop)>;
  // Segments whose event times all lie at or after `before_us` aren't read.
  Result<int64_t> drop_rows(const std::string& project, const std::string& source,
                            int64_t before_us, const Drop& drop);
  Erasures& erasures() { return erasures_; }
  // Neighbouring small segments of one kind become one. How many there are less.
  Result<int64_t> compact(const std::string& project, const std::string& source);
  // Every blob that the history needs. For the garbage collector.
  Status mark(const std::function<void(const store::Digest&)>& keep);

 private:
  struct Archived {
    int64_t segment = 0;
    int64_t last_seq = 0;
  };
  Result<std::vector<Archived>> archived();
  struct Marked {
    std::string project;
    std::string source;
    int64_t seq = 0;  // Of the record.
    StreamMark mark;
  };
  struct FromLog {
    std::vector<Segment> segments;
    std::vector<Marked> marks;
    int64_t last_seq = 0;
  };
  Result<FromLog> write_segments(int64_t log_segment);
  void keep_newest(const Marked& one);
  Result<Batch> decode(std::string_view record, bool* counts) const;
  Result<std::optional<Segment>> without(const Segment& segment, const Drop& drop,
                                         int64_t* dropped);
  Status read_segment(const Segment& segment, int64_t after_seq, const OnChunk& on_chunk,
                      int64_t* row) const;

  Deps deps_;
  Erasures erasures_;
  sys::Guarded<std::set<int64_t>> given_up_;
  std::set<int64_t> void_;  // Records by first_seq; set by last().
  using MarkKey = std::tuple<std::string, std::string, std::string, int32_t>;
  sys::Guarded<std::map<MarkKey, Marked>> newest_;
  sys::Mutex rewriting_;  // Held by who makes segments of rows or of segments.
  sys::Mutex
      moving_;  // Held while rows move from the log to the manifest, and while both are read.
};

std::string fields_text(const std::vector<FeatureField>& fields);
Result<std::vector<FeatureField>> parse_fields_text(std::string_view text);

}  // namespace slip::features
