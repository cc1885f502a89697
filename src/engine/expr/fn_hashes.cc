#include <array>
#include <bit>
#include <cmath>

#include "base/crc32.h"
#include "base/text.h"
#include "engine/expr/digest.h"
#include "engine/expr/kernel.h"

namespace slip::engine::expr {
namespace {

using Text = std::string_view;
constexpr Text kGroup = "Hashes";

int64_t of_word(uint64_t word) {
  std::array<char, 8> bytes{};
  std::memcpy(bytes.data(), &word, 8);
  return static_cast<int64_t>(xxh64({bytes.data(), 8}, 0));
}
int64_t of_int(int64_t v) { return of_word(static_cast<uint64_t>(v)); }
int64_t of_stamp(Stamp t) { return of_int(t.us); }
int64_t of_double(double v) {  // One hash for equal numbers, and for all NaN.
  if (std::isnan(v)) return of_word(0x7ff8000000000000);
  return of_word(std::bit_cast<uint64_t>(v == 0 ? 0.0 : v));
}
int64_t of_text(Text t) { return static_cast<int64_t>(xxh64(t, 0)); }
int64_t of_bytes(Blob b) { return of_text(b.bytes); }

int64_t bucket(int64_t hash, int64_t n, Row& row) {
  if (n <= 0) {
    row.fail(kBadArgument);
    return 0;
  }
  return static_cast<int64_t>(static_cast<uint64_t>(hash) % static_cast<uint64_t>(n));
}
int64_t bucket_of_text(Text t, int64_t n, Row& row) { return bucket(of_text(t), n, row); }
int64_t bucket_of_int(int64_t v, int64_t n, Row& row) { return bucket(of_int(v), n, row); }

Text hex_of(Text t, Row& row) {
  if (t.size() > kMadeTextBytesMax / 2) {
    row.fail(kTooLong);
    return {};
  }
  return row.arena.keep(to_hex(t));
}
Blob bytes_of(Text t, Row& row) {
  const auto bytes = from_hex(t);
  if (bytes) return {row.arena.keep(*bytes)};
  row.fail(kBadArgument);
  return {};
}

}  // namespace

void add_hashes(std::vector<Function>* out) {
  constexpr Text kXx =
      "XXH64, seed 0, as a signed integer; numbers by their 8 bytes, little-endian";
  out->push_back(row<of_int>({"xxhash64", kGroup, kXx}));
  out->push_back(row<of_double>({"xxhash64", kGroup, "-0.0 as 0.0, every NaN as one"}));
  out->push_back(row<of_text>({"xxhash64", kGroup, kXx}));
  out->push_back(row<of_bytes>({"xxhash64", kGroup, kXx}));
  out->push_back(row<of_stamp>({"xxhash64", kGroup, "of its microseconds"}));
  out->push_back(
      row<bucket_of_int>({"hash_bucket", kGroup, "xxhash64 modulo n, 0 … n - 1; fails for n < 1"}));
  out->push_back(row<bucket_of_text>(
      {"hash_bucket", kGroup, "xxhash64 modulo n, 0 … n - 1; fails for n < 1"}));
  out->push_back(row<[](Text t) { return int64_t{murmur3_32(t, 0)}; }>(
      {"murmur3_32", kGroup, "x86 variant, seed 0, unsigned"}));
  out->push_back(row<[](Text t) { return int64_t{crc32(t)}; }>({"crc32", kGroup, "as zlib's"}));
  out->push_back(row<[](Text t, Row& r) { return r.arena.keep(sha256_hex(t)); }>(
      {"sha256", kGroup, "64 digits, lower case"}));
  out->push_back(row<[](Blob b, Row& r) { return r.arena.keep(sha256_hex(b.bytes)); }>(
      {"sha256", kGroup, "64 digits, lower case"}));
  out->push_back(row<hex_of>({"to_hex", kGroup, "lower case"}));
  out->push_back(
      row<[](Blob b, Row& r) { return hex_of(b.bytes, r); }>({"to_hex", kGroup, "lower case"}));
  out->push_back(row<bytes_of>({"from_hex", kGroup, "fails for what isn't pairs of digits"}));
}

}  // namespace slip::engine::expr
