#include "codec/table.h"

#include "test/fuzz/fuzz.h"

namespace {

void read(slip::codec::Format format, slip::fuzz::Bytes data) {
  const auto source = slip::codec::text_source(std::string(slip::fuzz::as_text(data)));
  const auto facts = slip::codec::check_table(format, *source);
  CHECK(facts.ok() || facts.error().code != slip::Code::kInternal);
}

}  // namespace

SLIP_FUZZ(csv) { read(slip::codec::Format::kCsv, data); }
SLIP_FUZZ(jsonl) { read(slip::codec::Format::kJsonl, data); }
SLIP_FUZZ(parquet) { read(slip::codec::Format::kParquet, data); }
SLIP_FUZZ(arrow_stream) { read(slip::codec::Format::kArrow, data); }
