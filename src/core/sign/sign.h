#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "codec/ed25519.h"
#include "codec/json.h"
#include "store/db.h"

namespace slip {
class Clock;
class Fs;
}  // namespace slip

// What the server vouches for: in-toto statements (v1) in DSSE envelopes, signed with the server's
// Ed25519 key. The private key lies in DATA/signing-key.pem, readable by its owner alone, and never
// in the database; the public keys of every server that shared the database are rows of
// `signing_key`, so what an earlier key signed can still be checked.
//
// Invariant: what sign() returns, verify() accepts, on every node of the database, until the row of
// its key is removed by hand. Immutable after open(); any thread.
namespace slip::sign {

inline constexpr std::string_view kPayloadType = "application/vnd.in-toto+json";
inline constexpr std::string_view kStatementType = "https://in-toto.io/Statement/v1";
inline constexpr std::string_view kTestResultType =
    "https://in-toto.io/attestation/test-result/v0.1";
inline constexpr size_t kEnvelopeBytesMax = 4 << 20;

struct Subject {
  std::string name;
  std::string sha256_hex;
};

// {"_type", "subject", "predicateType", "predicate"}
codec::Json statement(const std::vector<Subject>& subjects, std::string_view predicate_type,
                      codec::Json predicate);

// The bytes that a DSSE signature covers: "DSSEv1 LEN TYPE LEN PAYLOAD".
std::string pre_authentication_encoding(std::string_view type, std::string_view payload);

// Lower-case hex of SHA-256 of the public key's PEM: names a key in envelopes.
std::string key_id(std::string_view public_pem);

struct PublicKey {
  std::string keyid;
  std::string public_pem;
  int64_t created_ms = 0;
};

class Signer {
 public:
  // For tests and tools: a key that is kept nowhere.
  explicit Signer(codec::Ed25519Key key);

  const std::string& keyid() const { return keyid_; }
  const std::string& public_pem() const { return public_pem_; }
  // The statement as a DSSE envelope: {"payload","payloadType","signatures":[{"keyid","sig"}]}.
  std::string sign(const codec::Json& statement) const;

 private:
  codec::Ed25519Key key_;
  std::string public_pem_;
  std::string keyid_;
};

// The statement in an envelope that one of `keys` (PEM by key id) signed. kInvalid
// `envelope.syntax|envelope.unknown_key|envelope.signature`.
Result<codec::Json> verify(std::string_view envelope,
                           const std::map<std::string, std::string>& keys);

// Reads DATA/signing-key.pem or makes it (0600), and tells the database of its public half.
// kInvalid `key.pem` when the file holds anything else: it is never overwritten.
struct World {
  Fs& fs;
  Clock& clock;
  store::Db& db;
};
Result<Signer> open_signer(World world, const std::string& path);

// Every public key, oldest first.
Result<std::vector<PublicKey>> public_keys(store::Db& db);

std::span<const store::Migration> migrations();

}  // namespace slip::sign
