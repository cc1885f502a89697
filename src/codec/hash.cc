#include "codec/hash.h"

#include <cstring>

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <xxhash.h>

#include "base/text.h"

namespace slip::codec {
namespace {

// Looked up once: OpenSSL 3 otherwise searches its providers at each use.
const EVP_MD* sha256_method() {
  static const EVP_MD* const method = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  CHECK(method != nullptr);
  return method;
}

}  // namespace

std::string Sha256::hex() const { return to_hex(bytes); }
std::string Sha256::text() const { return "sha256:" + hex(); }

struct Sha256Stream::State {
  EVP_MD_CTX* ctx = EVP_MD_CTX_new();

  State() { CHECK(ctx != nullptr && EVP_DigestInit_ex2(ctx, sha256_method(), nullptr) == 1); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() { EVP_MD_CTX_free(ctx); }
};

Sha256Stream::Sha256Stream() : state_(std::make_unique<State>()) {}
Sha256Stream::~Sha256Stream() = default;
Sha256Stream::Sha256Stream(Sha256Stream&&) noexcept = default;
Sha256Stream& Sha256Stream::operator=(Sha256Stream&&) noexcept = default;

void Sha256Stream::update(std::string_view bytes) {
  CHECK(state_ && EVP_DigestUpdate(state_->ctx, bytes.data(), bytes.size()) == 1);
}

Sha256 Sha256Stream::finish() {
  Sha256 out;
  CHECK(state_ && EVP_DigestFinal_ex(state_->ctx, out.bytes.data(), nullptr) == 1);
  state_.reset();
  return out;
}

// Each thread keeps its context: making one costs more than a short text.
Sha256 sha256(std::string_view bytes) {
  struct Context {
    EVP_MD_CTX* ctx = EVP_MD_CTX_new();
    Context() { CHECK(ctx != nullptr); }
    Context(const Context&) = delete;
    Context& operator=(const Context&) = delete;
    ~Context() { EVP_MD_CTX_free(ctx); }
  };
  thread_local const Context context;
  Sha256 out;
  CHECK(EVP_DigestInit_ex2(context.ctx, sha256_method(), nullptr) == 1 &&
        EVP_DigestUpdate(context.ctx, bytes.data(), bytes.size()) == 1 &&
        EVP_DigestFinal_ex(context.ctx, out.bytes.data(), nullptr) == 1);
  return out;
}

Result<Sha256> parse_sha256(std::string_view text) {
  constexpr std::string_view kPrefix = "sha256:";
  if (text.starts_with(kPrefix)) text.remove_prefix(kPrefix.size());
  const std::optional<std::string> raw = from_hex(text);
  Sha256 out;
  if (!raw || raw->size() != out.bytes.size())
    return invalid("digest.syntax", "a SHA-256 is 64 hexadecimal digits");
  std::memcpy(out.bytes.data(), raw->data(), raw->size());
  return out;
}

uint64_t xxh3(std::string_view bytes, uint64_t seed) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

std::string hmac_sha256(std::string_view key, std::string_view bytes) {
  std::string out(32, '\0');
  unsigned size = 0;
  const auto* data = reinterpret_cast<const unsigned char*>(bytes.data());
  auto* to = reinterpret_cast<unsigned char*>(out.data());
  CHECK(HMAC(sha256_method(), key.data(), static_cast<int>(key.size()), data, bytes.size(), to,
             &size) != nullptr);
  CHECK(size == out.size());
  return out;
}

}  // namespace slip::codec
