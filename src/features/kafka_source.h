#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "codec/json.h"

// What a Source says of the topic that its rows come from: `kafka: {brokers, topic, …}`. Which
// topic, and how its messages are read, is part of what the source means; where the brokers are
// and how one logs in there isn't. Secrets stand as references, never as text. Values; pure.
//
// Errors: kInvalid `feature.field` with the path.
namespace slip::features {

// limits
inline constexpr int64_t kKafkaRecordBytes = 1 << 20;  // A larger value is kept apart.
inline constexpr int64_t kKafkaRecordBytesMax = 16 << 20;

enum class KafkaFrom : uint8_t { kStop, kEarliest, kLatest };
std::string_view kafka_from_name(KafkaFrom from);  // "stop", "earliest", "latest"

// A property's value: given, or where the server finds it.
struct KafkaValue {
  enum class In : uint8_t { kText, kEnvironment, kFile };
  In in = In::kText;
  std::string text;  // The value, the variable's name, or the file's name.
  bool operator==(const KafkaValue&) const = default;
};
inline constexpr std::string_view kKafkaVariables = "SLIPWAY_KAFKA_";  // Their names begin so.

struct KafkaSource {
  std::vector<std::string> brokers;  // "host:port"
  std::string topic;
  int64_t time_unit_ns = 1000;  // Of times that are numbers. Text is ISO 8601.
  KafkaFrom start = KafkaFrom::kEarliest;
  KafkaFrom on_reset = KafkaFrom::kStop;  // When what was to be read next is no more.
  bool uncommitted = false;
  int64_t record_bytes_max = kKafkaRecordBytes;
  std::map<std::string, KafkaValue> properties;

  bool operator==(const KafkaSource&) const = default;
  codec::Json meaning() const;
  codec::Json document() const;  // parse_kafka_source() reads it back.
};

Result<KafkaSource> parse_kafka_source(const codec::Json& json, const std::string& path);

}  // namespace slip::features
