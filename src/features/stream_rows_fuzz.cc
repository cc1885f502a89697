#include "features/stream_rows.h"

#include "base/check.h"
#include "test/fuzz/fuzz.h"

SLIP_FUZZ(features_stream_rows) {
  namespace f = slip::features;
  f::Source source;
  source.columns = {{"user", f::parse_feature_type("int64").value()},
                    {"amount", f::parse_feature_type("float32").value()},
                    {"tags", f::parse_feature_type("list<string>").value()},
                    {"seen", f::parse_feature_type("timestamp").value()}};
  source.event_time = "ts";
  source.renamed = {{"who.id", "user"}};
  source.kafka.emplace();
  source.kafka->topic = "t";
  source.kafka->time_unit_ns = 1'000'000;
  const std::vector<slip::kafka::Record> records = {
      {.partition = 0,
       .offset = 1,
       .timestamp_ms = 5,
       .tombstone = false,
       .value = std::string(slip::fuzz::as_text(data))}};
  const f::StreamRows got = f::rows_of_records(records, source, {"user"});
  // A row or a stray, never both, never neither; either can be written down.
  CHECK(got.records.size() + got.strays.size() == 1);
  if (got.batch.rows() == 1) CHECK(f::decode_batch(f::encode_batch(got.batch)).ok());
  for (const f::Stray& s : got.strays)
    CHECK(slip::codec::parse_json(slip::codec::to_json(s.kept)).ok());
}
