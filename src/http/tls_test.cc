#include "http/tls.h"

#include <memory>

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/text.h"
#include "http/client.h"
#include "sys/clock.h"
#include "test/http/world.h"

namespace slip::http {
namespace {

using testing::simple_row;
using testing::World;

std::string pem_of(const std::function<int(BIO*)>& write) {
  BIO* bio = BIO_new(BIO_s_mem());
  EXPECT_EQ(write(bio), 1);
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  std::string out(data, static_cast<size_t>(size));
  BIO_free(bio);
  return out;
}

struct Identity {
  std::string certificate;
  std::string key;
};

// Self-signed, made anew for each run, for the names given ("DNS:a,IP:127.0.0.1").
Identity make_identity(const std::string& names) {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* cert = X509_new();
  X509_set_version(cert, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
  X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
  X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
  X509_set_pubkey(cert, key);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>("test"), -1, -1, 0);
  X509_set_issuer_name(cert, X509_get_subject_name(cert));
  X509_EXTENSION* alt = X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, names.c_str());
  X509_add_ext(cert, alt, -1);
  X509_EXTENSION_free(alt);
  EXPECT_NE(X509_sign(cert, key, EVP_sha256()), 0);
  Identity out;
  out.certificate = pem_of([&](BIO* bio) { return PEM_write_bio_X509(bio, cert); });
  out.key = pem_of([&](BIO* bio) {
    return PEM_write_bio_PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr);
  });
  X509_free(cert);
  EVP_PKEY_free(key);
  return out;
}

Client client_of(uint16_t port, const std::string& authorities) {
  ClientOptions options;
  options.url = concat({"https://127.0.0.1:", std::to_string(port)});
  options.authorities = authorities;
  options.timeout_ms = 5000;
  return Client::make(real_net(), real_clock(), std::move(options)).value();
}

TEST(Tls, ServerAndClientAgree) {
  const Identity identity = make_identity("IP:127.0.0.1");
  const std::string big(300'000, 'b');
  World world({simple_row("/health", "OK"), simple_row("/big", big),
               testing::public_row(
                   Method::kPost, "/echo",
                   [](const Ctx&, Request& request) -> Result<Reply> {
                     Reply reply;
                     reply.body = request.body;
                     return reply;
                   },
                   memory(1 << 20))},
              {.server = {.tls_certificate = identity.certificate, .tls_key = identity.key}});
  Client client = client_of(world.port(), identity.certificate);
  for (int i = 0; i < 3; ++i) {
    const auto health = client.send({.target = "/health"});
    ASSERT_TRUE(health.ok()) << health.error().text;
    EXPECT_EQ(health->body, "OK");
  }
  EXPECT_EQ(client.send({.target = "/big"})->body, big);
  const auto echo = client.send({.method = Method::kPost, .target = "/echo", .body = big});
  ASSERT_TRUE(echo.ok()) << echo.error().text;
  EXPECT_EQ(echo->body, big);
  EXPECT_EQ(world.server().connections(), 1U);
  testing::RawClient plain = world.client();
  plain.send("GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
  plain.read_until("never");  // An alert at most, then the end.
  EXPECT_EQ(client.send({.target = "/health"})->status, 200);
}

TEST(Tls, StrangersAreNotTrusted) {
  const Identity right = make_identity("IP:127.0.0.1");
  const Identity other_name = make_identity("DNS:elsewhere.example");
  {
    World world({simple_row("/health", "OK")},
                {.server = {.tls_certificate = right.certificate, .tls_key = right.key}});
    EXPECT_EQ(
        client_of(world.port(), other_name.certificate).send({.target = "/health"}).error().reason,
        "tls.handshake");
  }
  World world({simple_row("/health", "OK")},
              {.server = {.tls_certificate = other_name.certificate, .tls_key = other_name.key}});
  EXPECT_EQ(
      client_of(world.port(), other_name.certificate).send({.target = "/health"}).error().reason,
      "tls.handshake");
}

TEST(Tls, OldVersionsAreRefused) {
  const Identity identity = make_identity("IP:127.0.0.1");
  const auto server = TlsContext::server(identity.certificate, identity.key);
  ASSERT_TRUE(server.ok());
  SSL_CTX* old = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_max_proto_version(old, TLS1_1_VERSION);
  SSL_CTX_set_security_level(old, 0);
  SSL* ssl = SSL_new(old);
  BIO* in = BIO_new(BIO_s_mem());
  BIO* out = BIO_new(BIO_s_mem());
  SSL_set_bio(ssl, in, out);
  SSL_set_connect_state(ssl);
  EXPECT_LT(SSL_do_handshake(ssl), 1);
  char* data = nullptr;
  const long size = BIO_get_mem_data(out, &data);
  TlsSession session(**server, "");
  std::string plain;
  std::string wire;
  const Status got = session.receive({data, static_cast<size_t>(size)}, &plain, &wire);
  ASSERT_FALSE(got.ok());
  EXPECT_EQ(got.error().reason, "tls.handshake");
  SSL_free(ssl);
  SSL_CTX_free(old);
}

TEST(Tls, BadCertificatesAreNamed) {
  const Identity a = make_identity("IP:127.0.0.1");
  const Identity b = make_identity("IP:127.0.0.1");
  EXPECT_EQ(TlsContext::server("", a.key).error().reason, "tls.certificate");
  EXPECT_EQ(TlsContext::server(a.certificate, "nonsense").error().reason, "tls.certificate");
  EXPECT_EQ(TlsContext::server(a.certificate, b.key).error().reason, "tls.certificate");
  EXPECT_EQ(TlsContext::client("nonsense").error().reason, "tls.certificate");
}

}  // namespace
}  // namespace slip::http
