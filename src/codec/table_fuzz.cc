#include "codec/table.h"

#include "codec/arrow_frames.h"
#include "test/fuzz/fuzz.h"

namespace {

void read(slip::codec::Format format, slip::fuzz::Bytes data) {
  const auto source = slip::codec::text_source(std::string(slip::fuzz::as_text(data)));
  const auto facts = slip::codec::check_table(format, *source);
  CHECK(facts.ok() || facts.error().code != slip::Code::kInternal);
}

// Frames of anything are put together again as they were, up to the padding of heads.
void take_apart(slip::fuzz::Bytes data) {
  const auto source = slip::codec::text_source(std::string(slip::fuzz::as_text(data)));
  const auto frames = slip::codec::ArrowFrames::open(*source);
  CHECK(frames.ok());
  for (auto frame = (*frames)->next(); frame.ok() && *frame; frame = (*frames)->next())
    CHECK(slip::codec::arrow_message((*frame)->head, (*frame)->body).size() >=
          (*frame)->head.size() + (*frame)->body.size());
}

}  // namespace

SLIP_FUZZ(csv) { read(slip::codec::Format::kCsv, data); }
SLIP_FUZZ(jsonl) { read(slip::codec::Format::kJsonl, data); }
SLIP_FUZZ(parquet) { read(slip::codec::Format::kParquet, data); }
SLIP_FUZZ(arrow_stream) { read(slip::codec::Format::kArrow, data); }
SLIP_FUZZ(arrow_frames) { take_apart(data); }
