#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "codec/json.h"
#include "features/batch.h"
#include "features/definition.h"
#include "store/kafka/kafka.h"

// Messages of a topic as rows of a source. Each stands for itself: one that is no row (no JSON, a
// missing key, a value of another type, no value at all) is told apart with the reason and what it
// was, and the others go on. Members that the source doesn't have are left out, ones that a message
// lacks are null, so producers may add and drop fields in the middle. Pure; any thread.
namespace slip::features {

// limits
inline constexpr size_t kStrayBytesMax = 64 << 10;         // Kept of a message as text.
inline constexpr size_t kStrayRecordBytesMax = 512 << 10;  // As members; else as text.

struct Stray {
  size_t record = 0;  // Which of the records.
  std::string reason;
  codec::Json kept;  // As a push takes it, as far as it could be read, with `_kafka`.
};
struct StreamRows {
  Batch batch;
  std::vector<size_t> records;  // Of each row.
  std::vector<Stray> strays;
};

// `keys`: columns that no row may lack. `unfit`: why none can be a row. The source has a `kafka`.
StreamRows rows_of_records(std::span<const kafka::Record> records, const Source& source,
                           const std::vector<std::string>& keys, const std::string& unfit = "");
// The message as text, or base64 when it is none, cut when it is long.
codec::Json text_of_record(const std::string& topic, const kafka::Record& record);

std::string origin_text(const std::string& topic, const kafka::Record& record);  // "topic/2@17"
codec::Json origin_json(const std::string& topic, const kafka::Record& record);
inline constexpr std::string_view kOriginMember = "_kafka";
// The same for the same message wherever it is taken in again; ordered by the message's time.
std::string stray_uid(const std::string& topic, const kafka::Record& record);

}  // namespace slip::features
