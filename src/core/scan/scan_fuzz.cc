#include "core/scan/scan.h"

#include "test/fuzz/fuzz.h"

// Any bytes, as any kind of file: a verdict, in bounded time and memory.
SLIP_FUZZ(scan) {
  slip::scan::Limits limits;
  limits.opcodes = 100'000;
  limits.stack = 10'000;
  limits.unpacked_bytes = 1 << 20;
  limits.unpacked_total_bytes = 4 << 20;
  limits.entries = 200;
  for (const char* name : {"model.onnx", "model.pkl"}) {
    const auto source = slip::codec::text_source(std::string(slip::fuzz::as_text(data)));
    CHECK(slip::scan::scan_file(name, *source, limits).ok());
  }
}
