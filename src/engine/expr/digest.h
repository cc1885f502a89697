#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

// Hashes with a published definition, so that other languages compute the same: XXH64 (Collet),
// MurmurHash3 x86 32 (Appleby), CRC-32 (ISO-HDLC), SHA-256 (FIPS 180-4). Engines link no library
// for them. Pure.
namespace slip::engine::expr {

uint64_t xxh64(std::string_view bytes, uint64_t seed);
uint32_t murmur3_32(std::string_view bytes, uint32_t seed);
std::string sha256_hex(std::string_view bytes);

}  // namespace slip::engine::expr
