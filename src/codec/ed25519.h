#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

// Ed25519 (RFC 8032) by OpenSSL. Keys as PEM: PKCS #8 for the private one, SubjectPublicKeyInfo for
// the public one. Immutable; any thread.
namespace slip::codec {

class Ed25519Key {
 public:
  static Ed25519Key generate();
  // kInvalid `key.pem` for anything but an unencrypted Ed25519 private key.
  static Result<Ed25519Key> from_pem(std::string_view pem);
  ~Ed25519Key();
  Ed25519Key(Ed25519Key&&) noexcept;
  Ed25519Key& operator=(Ed25519Key&&) noexcept;

  std::string private_pem() const;
  std::string public_pem() const;
  std::string sign(std::string_view bytes) const;  // 64 raw bytes.

 private:
  struct State;
  explicit Ed25519Key(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// Did the owner of `public_pem` sign these bytes? kInvalid `key.pem` for no public Ed25519 key.
Result<bool> ed25519_verify(std::string_view public_pem, std::string_view bytes,
                            std::string_view signature);

}  // namespace slip::codec
