#pragma once
// The link proof: every third-party library that could steal another's symbols, exercised in one
// process with known answers. Linked naively, RE2 answers wrongly in silence beside Arrow's copy
// and TLS uses another libcrypto's tables. Each function asserts with GoogleTest; single-threaded.

namespace slip::link {

void check_re2();  // Captures, sets, a pattern whose answer differs between RE2 versions' layouts.
void check_sha256();    // FIPS 180-4 example, one-shot and in pieces.
void check_tls();       // TLS 1.3 over an in-memory pipe, certificate verified, both directions.
void check_grpc();      // Unary echo over loopback, generic service.
void check_arrow();     // match_substring_regex, which runs Arrow's own RE2.
void check_parquet();   // Written to memory and read back.
void check_duckdb();    // Opened at first use; SQL with a regular expression.
void check_postgres();  // libpq: parse of an address, refused connection, clean up.
void check_onnx();      // Opened at first use; y = x + c on a model made here byte by byte.
void check_rest();      // SQLite, zstd, xxHash, simdjson, yaml-cpp.

}  // namespace slip::link
