#include <memory>
#include <string>

#include <gtest/gtest.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "test/link/link.h"

namespace slip::link {
namespace {

template <auto Free>
struct Freer {
  template <class T>
  void operator()(T* p) const {
    Free(p);
  }
};
using Key = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Freer<X509_free>>;
using Context = std::unique_ptr<SSL_CTX, Freer<SSL_CTX_free>>;
using Session = std::unique_ptr<SSL, Freer<SSL_free>>;
using Digest = std::unique_ptr<EVP_MD_CTX, Freer<EVP_MD_CTX_free>>;

Certificate self_signed(EVP_PKEY* key) {
  Certificate made(X509_new());
  ASN1_INTEGER_set(X509_get_serialNumber(made.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(made.get()), -3600);
  X509_gmtime_adj(X509_getm_notAfter(made.get()), 3600);
  X509_set_pubkey(made.get(), key);
  X509_NAME* name = X509_get_subject_name(made.get());
  const unsigned char host[] = "link.test";
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, host, -1, -1, 0);
  X509_set_issuer_name(made.get(), name);
  EXPECT_GT(X509_sign(made.get(), key, EVP_sha256()), 0);
  return made;
}

// Turns both sides until they are through; the pipe is in memory, so a stall is a failure.
bool shake_hands(SSL* client, SSL* server) {
  for (int turn = 0; turn < 20; ++turn) {
    int ours = SSL_do_handshake(client);
    int theirs = SSL_do_handshake(server);
    if (ours == 1 && theirs == 1) return true;
  }
  return false;
}

std::string hex(const unsigned char* bytes, unsigned n) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (unsigned i = 0; i < n; ++i) {
    text += kDigits[bytes[i] >> 4];
    text += kDigits[bytes[i] & 15];
  }
  return text;
}

std::string sha256_in_pieces(const std::string& text, size_t piece) {
  Digest state(EVP_MD_CTX_new());
  EVP_DigestInit_ex(state.get(), EVP_sha256(), nullptr);
  for (size_t at = 0; at < text.size(); at += piece) {
    std::string part = text.substr(at, piece);
    EVP_DigestUpdate(state.get(), part.data(), part.size());
  }
  unsigned char out[EVP_MAX_MD_SIZE];
  unsigned n = 0;
  EVP_DigestFinal_ex(state.get(), out, &n);
  return hex(out, n);
}

}  // namespace

void check_sha256() {  // FIPS 180-4, examples of appendix B.
  for (size_t piece : {1u, 7u, 100u}) {
    EXPECT_EQ(sha256_in_pieces("abc", piece),
              "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    EXPECT_EQ(sha256_in_pieces("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", piece),
              "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  }
}

void check_tls() {
  Key key(EVP_EC_gen("P-256"));
  ASSERT_NE(key, nullptr);
  Certificate certificate = self_signed(key.get());
  Context serving(SSL_CTX_new(TLS_server_method()));
  Context calling(SSL_CTX_new(TLS_client_method()));
  ASSERT_EQ(SSL_CTX_use_certificate(serving.get(), certificate.get()), 1);
  ASSERT_EQ(SSL_CTX_use_PrivateKey(serving.get(), key.get()), 1);
  ASSERT_EQ(X509_STORE_add_cert(SSL_CTX_get_cert_store(calling.get()), certificate.get()), 1);
  SSL_CTX_set_verify(calling.get(), SSL_VERIFY_PEER, nullptr);

  BIO *near = nullptr, *far = nullptr;
  ASSERT_EQ(BIO_new_bio_pair(&near, 0, &far, 0), 1);
  Session client(SSL_new(calling.get())), server(SSL_new(serving.get()));
  SSL_set_bio(client.get(), near, near);
  SSL_set_bio(server.get(), far, far);
  SSL_set_connect_state(client.get());
  SSL_set_accept_state(server.get());
  ASSERT_TRUE(shake_hands(client.get(), server.get()));
  EXPECT_EQ(SSL_get_verify_result(client.get()), X509_V_OK);
  EXPECT_STREQ(SSL_get_version(client.get()), "TLSv1.3");

  char got[16] = {};
  ASSERT_EQ(SSL_write(client.get(), "ping", 4), 4);
  ASSERT_EQ(SSL_read(server.get(), got, sizeof got), 4);
  EXPECT_EQ(std::string(got, 4), "ping");
  ASSERT_EQ(SSL_write(server.get(), "pong", 4), 4);
  ASSERT_EQ(SSL_read(client.get(), got, sizeof got), 4);
  EXPECT_EQ(std::string(got, 4), "pong");
}

}  // namespace slip::link
