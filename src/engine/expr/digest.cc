#include "engine/expr/digest.h"

#include <bit>
#include <cstring>
#include <span>

#include "base/text.h"

namespace slip::engine::expr {
namespace {

template <class T>
T little(const char* at) {
  T out{};
  std::memcpy(&out, at, sizeof out);
  return out;
}

constexpr uint64_t kP1 = 0x9e3779b185ebca87;
constexpr uint64_t kP2 = 0xc2b2ae3d27d4eb4f;
constexpr uint64_t kP3 = 0x165667b19e3779f9;
constexpr uint64_t kP4 = 0x85ebca77c2b2ae63;
constexpr uint64_t kP5 = 0x27d4eb2f165667c5;

uint64_t xx_round(uint64_t acc, uint64_t lane) { return std::rotl(acc + lane * kP2, 31) * kP1; }
uint64_t xx_merge(uint64_t h, uint64_t acc) { return (h ^ xx_round(0, acc)) * kP1 + kP4; }

// The first 32 bits of the fractions of the cube roots of the first 64 primes.
constexpr std::array<uint32_t, 64> kSha = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

using ShaState = std::array<uint32_t, 8>;

void sha_block(ShaState* state, const char* block) {
  std::array<uint32_t, 64> w{};
  for (size_t i = 0; i < 16; ++i) w[i] = __builtin_bswap32(little<uint32_t>(block + 4 * i));
  for (size_t i = 16; i < 64; ++i) {
    const uint32_t a = w[i - 15];
    const uint32_t b = w[i - 2];
    w[i] = w[i - 16] + (std::rotr(a, 7) ^ std::rotr(a, 18) ^ a >> 3) + w[i - 7] +
           (std::rotr(b, 17) ^ std::rotr(b, 19) ^ b >> 10);
  }
  ShaState s = *state;
  for (size_t i = 0; i < 64; ++i) {
    const uint32_t e = s[4];
    const uint32_t a = s[0];
    const uint32_t t = s[7] + (std::rotr(e, 6) ^ std::rotr(e, 11) ^ std::rotr(e, 25)) +
                       ((e & s[5]) ^ (~e & s[6])) + kSha[i] + w[i];
    const uint32_t u = (std::rotr(a, 2) ^ std::rotr(a, 13) ^ std::rotr(a, 22)) +
                       ((a & s[1]) ^ (a & s[2]) ^ (s[1] & s[2]));
    s = {t + u, a, s[1], s[2], s[3] + t, e, s[5], s[6]};
  }
  for (size_t i = 0; i < 8; ++i) (*state)[i] += s[i];
}

}  // namespace

uint64_t xxh64(std::string_view bytes, uint64_t seed) {
  const char* at = bytes.data();
  size_t left = bytes.size();
  uint64_t h = seed + kP5;
  if (left >= 32) {
    std::array<uint64_t, 4> v = {seed + kP1 + kP2, seed + kP2, seed, seed - kP1};
    for (; left >= 32; left -= 32)
      for (uint64_t& acc : v) {
        acc = xx_round(acc, little<uint64_t>(at));
        at += 8;
      }
    h = std::rotl(v[0], 1) + std::rotl(v[1], 7) + std::rotl(v[2], 12) + std::rotl(v[3], 18);
    for (const uint64_t acc : v) h = xx_merge(h, acc);
  }
  h += bytes.size();
  for (; left >= 8; left -= 8, at += 8)
    h = std::rotl(h ^ xx_round(0, little<uint64_t>(at)), 27) * kP1 + kP4;
  if (left >= 4) {
    h = std::rotl(h ^ little<uint32_t>(at) * kP1, 23) * kP2 + kP3;
    at += 4;
    left -= 4;
  }
  for (; left > 0; --left, ++at) h = std::rotl(h ^ static_cast<uint8_t>(*at) * kP5, 11) * kP1;
  h = (h ^ h >> 33) * kP2;
  h = (h ^ h >> 29) * kP3;
  return h ^ h >> 32;
}

uint32_t murmur3_32(std::string_view bytes, uint32_t seed) {
  constexpr uint32_t kC1 = 0xcc9e2d51;
  constexpr uint32_t kC2 = 0x1b873593;
  uint32_t h = seed;
  const size_t blocks = bytes.size() / 4;
  for (size_t i = 0; i < blocks; ++i) {
    h ^= std::rotl(little<uint32_t>(bytes.data() + 4 * i) * kC1, 15) * kC2;
    h = std::rotl(h, 13) * 5 + 0xe6546b64;
  }
  uint32_t tail = 0;
  for (size_t i = bytes.size(); i > 4 * blocks; --i)
    tail = tail << 8 | static_cast<uint8_t>(bytes[i - 1]);
  if (bytes.size() % 4) h ^= std::rotl(tail * kC1, 15) * kC2;
  h ^= static_cast<uint32_t>(bytes.size());
  h = (h ^ h >> 16) * 0x85ebca6b;
  h = (h ^ h >> 13) * 0xc2b2ae35;
  return h ^ h >> 16;
}

std::string sha256_hex(std::string_view bytes) {
  ShaState state = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                    0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  const size_t whole = bytes.size() / 64;
  for (size_t i = 0; i < whole; ++i) sha_block(&state, bytes.data() + 64 * i);
  std::array<char, 128> tail{};
  const size_t rest = bytes.size() % 64;
  if (rest) std::memcpy(tail.data(), bytes.data() + 64 * whole, rest);
  tail[rest] = static_cast<char>(0x80);
  const size_t size = rest < 56 ? 64 : 128;
  const uint64_t bits = __builtin_bswap64(uint64_t{bytes.size()} * 8);
  std::memcpy(tail.data() + size - 8, &bits, 8);
  for (size_t i = 0; i < size; i += 64) sha_block(&state, tail.data() + i);
  std::string out;
  for (const uint32_t word : state) {
    const uint32_t big = __builtin_bswap32(word);
    std::array<uint8_t, 4> b{};
    std::memcpy(b.data(), &big, 4);
    out += to_hex(std::span<const uint8_t>(b));
  }
  return out;
}

}  // namespace slip::engine::expr
