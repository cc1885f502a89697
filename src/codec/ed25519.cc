#include "codec/ed25519.h"

#include <utility>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "base/text.h"

namespace slip::codec {
namespace {

constexpr size_t kSignatureBytes = 64;

struct FreeKey {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
using Key = std::unique_ptr<EVP_PKEY, FreeKey>;
struct FreeBio {
  void operator()(BIO* bio) const { BIO_free(bio); }
};
using Bio = std::unique_ptr<BIO, FreeBio>;
struct FreeDigest {
  void operator()(EVP_MD_CTX* ctx) const { EVP_MD_CTX_free(ctx); }
};
using DigestCtx = std::unique_ptr<EVP_MD_CTX, FreeDigest>;

Bio reading(std::string_view text) {
  Bio bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  CHECK(bio);
  return bio;
}

std::string written(const Bio& bio) {
  char* data = nullptr;
  const long n = BIO_get_mem_data(bio.get(), &data);
  return {data, static_cast<size_t>(n)};
}

Error not_a_key(std::string_view which) {
  ERR_clear_error();
  return invalid("key.pem", concat({"this is no Ed25519 ", which, " key in PEM"}));
}

// A PEM that asks for a password is no key of ours.
int no_password(char*, int, int, void*) { return -1; }

const unsigned char* as_bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

}  // namespace

struct Ed25519Key::State {
  Key key;
};

Ed25519Key::Ed25519Key(std::unique_ptr<State> state) : state_(std::move(state)) {}
Ed25519Key::~Ed25519Key() = default;
Ed25519Key::Ed25519Key(Ed25519Key&&) noexcept = default;
Ed25519Key& Ed25519Key::operator=(Ed25519Key&&) noexcept = default;

Ed25519Key Ed25519Key::generate() {
  Key key(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
  CHECK(key);
  return Ed25519Key(std::make_unique<State>(State{std::move(key)}));
}

Result<Ed25519Key> Ed25519Key::from_pem(std::string_view pem) {
  const Bio bio = reading(pem);
  Key key(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_password, nullptr));
  if (!key || EVP_PKEY_get_base_id(key.get()) != EVP_PKEY_ED25519) return not_a_key("private");
  return Ed25519Key(std::make_unique<State>(State{std::move(key)}));
}

std::string Ed25519Key::private_pem() const {
  const Bio bio(BIO_new(BIO_s_mem()));
  CHECK(bio && PEM_write_bio_PrivateKey(bio.get(), state_->key.get(), nullptr, nullptr, 0, nullptr,
                                        nullptr) == 1);
  return written(bio);
}

std::string Ed25519Key::public_pem() const {
  const Bio bio(BIO_new(BIO_s_mem()));
  CHECK(bio && PEM_write_bio_PUBKEY(bio.get(), state_->key.get()) == 1);
  return written(bio);
}

std::string Ed25519Key::sign(std::string_view bytes) const {
  const DigestCtx ctx(EVP_MD_CTX_new());
  CHECK(ctx && EVP_DigestSignInit(ctx.get(), nullptr, nullptr, nullptr, state_->key.get()) == 1);
  std::string out(kSignatureBytes, '\0');
  size_t size = out.size();
  CHECK(EVP_DigestSign(ctx.get(), reinterpret_cast<unsigned char*>(out.data()), &size,
                       as_bytes(bytes), bytes.size()) == 1);
  CHECK(size == kSignatureBytes);
  return out;
}

Result<bool> ed25519_verify(std::string_view public_pem, std::string_view bytes,
                            std::string_view signature) {
  const Bio bio = reading(public_pem);
  const Key key(PEM_read_bio_PUBKEY(bio.get(), nullptr, no_password, nullptr));
  if (!key || EVP_PKEY_get_base_id(key.get()) != EVP_PKEY_ED25519) return not_a_key("public");
  const DigestCtx ctx(EVP_MD_CTX_new());
  CHECK(ctx && EVP_DigestVerifyInit(ctx.get(), nullptr, nullptr, nullptr, key.get()) == 1);
  const bool good = EVP_DigestVerify(ctx.get(), as_bytes(signature), signature.size(),
                                     as_bytes(bytes), bytes.size()) == 1;
  ERR_clear_error();
  return good;
}

}  // namespace slip::codec
