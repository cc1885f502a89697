#include "wire/otlp/otlp.h"

#include "base/text.h"
#include "codec/json.h"
#include "test/fuzz/fuzz.h"

SLIP_FUZZ(otlp) {
  const std::string_view bytes = slip::fuzz::as_text(data);
  for (const auto& spans :
       {slip::wire::otlp::read_protobuf(bytes), slip::wire::otlp::read_json(bytes)}) {
    if (!spans.ok()) continue;
    for (const slip::tracking::Span& span : *spans) {
      CHECK(span.span_id.size() == 16);
      CHECK(slip::codec::parse_json(span.body).ok());
    }
  }
}
