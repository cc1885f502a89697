#include "http/tls.h"

#include <array>
#include <climits>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/text.h"

namespace slip::http {
namespace {

struct Free {
  void operator()(SSL_CTX* p) const { SSL_CTX_free(p); }
  void operator()(SSL* p) const { SSL_free(p); }
  void operator()(BIO* p) const { BIO_free(p); }
  void operator()(X509* p) const { X509_free(p); }
  void operator()(EVP_PKEY* p) const { EVP_PKEY_free(p); }
};
template <class T>
using Owned = std::unique_ptr<T, Free>;

std::string last_error() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  std::array<char, 256> text{};
  ERR_error_string_n(code, text.data(), text.size());
  return code ? text.data() : "unknown";
}

Error bad_certificate(std::string_view what) {
  return invalid("tls.certificate", concat({what, ": ", last_error()}));
}

Owned<BIO> memory(const std::string& text) {
  return Owned<BIO>(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

Owned<X509> next_certificate(BIO* bio) {
  return Owned<X509>(PEM_read_bio_X509(bio, nullptr, nullptr, nullptr));
}

Owned<SSL_CTX> new_context(const SSL_METHOD* method) {
  Owned<SSL_CTX> ctx(SSL_CTX_new(method));
  SSL_CTX_set_min_proto_version(ctx.get(), TLS1_2_VERSION);
  SSL_CTX_set_options(
      ctx.get(), SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_mode(ctx.get(), SSL_MODE_RELEASE_BUFFERS);
  return ctx;
}

Status use_chain(SSL_CTX* ctx, const std::string& pem) {
  const Owned<BIO> bio = memory(pem);
  const Owned<X509> leaf = next_certificate(bio.get());
  if (!leaf || SSL_CTX_use_certificate(ctx, leaf.get()) != 1)
    return bad_certificate("the certificate can't be read");
  while (Owned<X509> next = next_certificate(bio.get()))
    if (SSL_CTX_add1_chain_cert(ctx, next.get()) != 1)
      return bad_certificate("the certificate chain can't be used");
  ERR_clear_error();  // The end of the file is an error to OpenSSL.
  return {};
}

}  // namespace

struct TlsContext::Impl {
  Owned<SSL_CTX> ctx;
  bool server = false;
};

TlsContext::TlsContext(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TlsContext::~TlsContext() = default;

Result<std::unique_ptr<TlsContext>> TlsContext::server(const std::string& certificate,
                                                       const std::string& key) {
  ERR_clear_error();
  Owned<SSL_CTX> ctx = new_context(TLS_server_method());
  TRY(use_chain(ctx.get(), certificate));
  const Owned<BIO> bio = memory(key);
  const Owned<EVP_PKEY> secret(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr));
  if (!secret || SSL_CTX_use_PrivateKey(ctx.get(), secret.get()) != 1)
    return bad_certificate("the key can't be read");
  if (SSL_CTX_check_private_key(ctx.get()) != 1)
    return bad_certificate("the key isn't the certificate's");
  auto impl = std::make_unique<Impl>();
  impl->ctx = std::move(ctx);
  impl->server = true;
  return std::unique_ptr<TlsContext>(new TlsContext(std::move(impl)));
}

Result<std::unique_ptr<TlsContext>> TlsContext::client(const std::string& authorities,
                                                       bool and_system) {
  ERR_clear_error();
  Owned<SSL_CTX> ctx = new_context(TLS_client_method());
  SSL_CTX_set_verify(ctx.get(), SSL_VERIFY_PEER, nullptr);
  if (authorities.empty() || and_system) {
    if (SSL_CTX_set_default_verify_paths(ctx.get()) != 1)
      return bad_certificate("the system's certificates can't be read");
  }
  if (!authorities.empty()) {
    const Owned<BIO> bio = memory(authorities);
    int count = 0;
    while (Owned<X509> next = next_certificate(bio.get())) {
      if (X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx.get()), next.get()) == 1) ++count;
    }
    ERR_clear_error();
    if (count == 0) return bad_certificate("no authority's certificate can be read");
  }
  auto impl = std::make_unique<Impl>();
  impl->ctx = std::move(ctx);
  return std::unique_ptr<TlsContext>(new TlsContext(std::move(impl)));
}

struct TlsSession::Impl {
  Owned<SSL> ssl;
  BIO* in = nullptr;    // Owned by ssl.
  BIO* out = nullptr;   // Likewise.
  std::string waiting;  // Plain bytes until the handshake is done.
  bool ended = false;
  bool failed = false;

  void drain(std::string* wire) const {
    std::array<char, 16 << 10> piece;
    for (int n = 0; (n = BIO_read(out, piece.data(), static_cast<int>(piece.size()))) > 0;)
      wire->append(piece.data(), static_cast<size_t>(n));
  }
  // 1, or the class of trouble; wanting more input is none.
  Status judge(int n) {
    const int what = SSL_get_error(ssl.get(), n);
    if (what == SSL_ERROR_WANT_READ || what == SSL_ERROR_WANT_WRITE) return {};
    if (what == SSL_ERROR_ZERO_RETURN) {
      ended = true;
      return {};
    }
    failed = true;
    const bool greeting = !SSL_is_init_finished(ssl.get());
    const long verdict = SSL_get_verify_result(ssl.get());
    std::string why = last_error();
    if (verdict != X509_V_OK) why = X509_verify_cert_error_string(verdict);
    return unavailable(greeting ? "tls.handshake" : "tls.broken", std::move(why));
  }
  Status write(std::string_view plain) {
    while (!plain.empty()) {
      const auto take = static_cast<int>(std::min<size_t>(plain.size(), INT_MAX));
      const int n = SSL_write(ssl.get(), plain.data(), take);
      if (n <= 0) return judge(n);
      plain.remove_prefix(static_cast<size_t>(n));
    }
    return {};
  }
};

TlsSession::TlsSession(const TlsContext& context, const std::string& host)
    : impl_(std::make_unique<Impl>()) {
  impl_->ssl.reset(SSL_new(context.impl_->ctx.get()));
  SSL* ssl = impl_->ssl.get();
  impl_->in = BIO_new(BIO_s_mem());
  impl_->out = BIO_new(BIO_s_mem());
  BIO_set_mem_eof_return(impl_->in, -1);  // Empty means wait, not the end.
  SSL_set_bio(ssl, impl_->in, impl_->out);
  if (context.impl_->server) {
    SSL_set_accept_state(ssl);
    return;
  }
  SSL_set_connect_state(ssl);
  const bool numeric = host.find(':') != std::string::npos ||
                       host.find_first_not_of("0123456789.") == std::string::npos;
  if (numeric) {
    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host.c_str());
  } else {
    SSL_set_tlsext_host_name(ssl, host.c_str());
    SSL_set1_host(ssl, host.c_str());
  }
}

TlsSession::~TlsSession() = default;
bool TlsSession::ready() const { return SSL_is_init_finished(impl_->ssl.get()) == 1; }
bool TlsSession::ended() const { return impl_->ended; }

Status TlsSession::start(std::string* wire) {
  ERR_clear_error();
  const int n = SSL_do_handshake(impl_->ssl.get());
  Status status = n == 1 ? Status() : impl_->judge(n);
  impl_->drain(wire);
  return status;
}

Status TlsSession::receive(std::string_view bytes, std::string* plain, std::string* wire) {
  Impl& s = *impl_;
  if (s.failed) return unavailable("tls.broken", "the session has failed");
  ERR_clear_error();
  BIO_write(s.in, bytes.data(), static_cast<int>(bytes.size()));
  Status status;
  if (!ready()) {
    const int n = SSL_do_handshake(s.ssl.get());
    if (n != 1) status = s.judge(n);
  }
  std::array<char, 16 << 10> piece;
  while (status && ready() && !s.ended) {
    const int n = SSL_read(s.ssl.get(), piece.data(), static_cast<int>(piece.size()));
    if (n <= 0) {
      status = s.judge(n);
      break;
    }
    plain->append(piece.data(), static_cast<size_t>(n));
  }
  if (status && ready() && !s.waiting.empty()) status = s.write(std::exchange(s.waiting, {}));
  s.drain(wire);
  return status;
}

Status TlsSession::send(std::string_view plain, std::string* wire) {
  Impl& s = *impl_;
  if (plain.empty()) return {};
  if (s.failed) return unavailable("tls.broken", "the session has failed");
  if (!ready()) {
    s.waiting.append(plain);
    return {};
  }
  ERR_clear_error();
  Status status = s.write(plain);
  s.drain(wire);
  return status;
}

void TlsSession::close(std::string* wire) {
  if (impl_->failed || !ready()) return;
  ERR_clear_error();
  SSL_shutdown(impl_->ssl.get());
  ERR_clear_error();
  impl_->drain(wire);
}

}  // namespace slip::http
