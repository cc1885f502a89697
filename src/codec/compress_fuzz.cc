#include "codec/compress.h"

#include "test/fuzz/fuzz.h"

SLIP_FUZZ(zstd) {
  const auto out = slip::codec::zstd_decompress(slip::fuzz::as_text(data), 1 << 20);
  CHECK(!out.ok() || out->size() <= 1 << 20);
}

SLIP_FUZZ(gzip) {
  const auto out = slip::codec::gzip_decompress(slip::fuzz::as_text(data), 1 << 20);
  CHECK(!out.ok() || out->size() <= 1 << 20);
}
