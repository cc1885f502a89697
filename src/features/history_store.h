#pragma once

#include <functional>
#include <string>
#include <vector>

#include "features/history.h"

// The tables of the history: feature_segment, feature_archived,
// feature_stream_mark. All inside the caller's
// transaction.
namespace slip::features::sql {

Status insert_segment(store::Tx& tx, const Segment& segment);
Result<std::vector<Segment>> list_segments(store::Tx& tx, const std::string& project,
                                           const std::string& source);  // By first_seq.
// What names them, with digest and rows.
Status each_segment(store::Tx& tx, const std::function<void(Segment)>& on_segment);
Status delete_segment(store::Tx& tx, const Segment& segment);
Status each_source(store::Tx& tx, const std::string& project,
                   const std::function<void(std::string)>& on_source);
Status last_of(store::Tx& tx, int64_t* seq, int64_t* ingest_us);
Status each_archived(store::Tx& tx, const std::function<void(int64_t, int64_t)>& on_segment);
Status insert_archived(store::Tx& tx, int64_t log_segment, int64_t last_seq);
Status delete_archived(store::Tx& tx, int64_t log_segment);
// How far a stream was read, by the record that said so: an older one changes nothing.
Status put_mark(store::Tx& tx, const std::string& project, const std::string& source, int64_t seq,
                const StreamMark& mark);
Status each_mark(store::Tx& tx,
                 const std::function<void(const std::string& project, const std::string& source,
                                          int64_t seq, StreamMark mark)>& on_mark);
Status each_digest(store::Tx& tx, const std::function<void(std::string)>& on_digest);

}  // namespace slip::features::sql
