#include "wire/otlp/otlp.h"

#include "base/text.h"
#include "codec/json.h"
#include "test/fuzz/fuzz.h"
#include "tracking/trace_spans.h"

SLIP_FUZZ(otlp) {
  const std::string_view bytes = slip::fuzz::as_text(data);
  for (const auto& spans :
       {slip::wire::otlp::read_protobuf(bytes), slip::wire::otlp::read_json(bytes)}) {
    if (!spans.ok()) continue;
    for (const slip::tracking::Span& span : spans->spans) {
      CHECK(span.span_id.size() == 16);
      CHECK(slip::codec::parse_json(span.body).ok());
      // What was written is all read back: the walk ends where the text does.
      size_t read = span.attributes.empty() ? 0 : 1;
      slip::tracking::each_attribute(span.attributes, [&](const slip::tracking::Attribute& a) {
        read += a.key.size() + a.value.size() + 4;
        if (a.type == 'j' || a.type == 'J')
          CHECK(slip::codec::parse_json(a.value, slip::codec::NonFinite::kToken).ok());
      });
      CHECK(read == span.attributes.size());
      slip::tracking::facts_of(span.attributes);
    }
  }
}
