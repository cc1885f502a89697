#pragma once

#include <map>
#include <string>

#include "registry/types.h"

// A check's signed statement, looked at by whoever shows it. Pure.
namespace slip::registry {

inline constexpr std::string_view kEnvelopeType = "application/vnd.dsse.envelope.v1+json";

struct Attestation {
  std::string keyid = {};         // As the envelope says; "" when it says none.
  std::string payload_type = {};  // Likewise.
  std::string digest = {};        // Of the envelope's bytes: "sha256:…"
  // One of the keys signed it, and it says what the record says: this check of these files with
  // this verdict and value.
  bool verified = false;
  std::string reason = {};  // Why not: those of sign::verify(), `envelope.other_statement`.
};

// `digest`: of the version's files when the gate judged them. `keys`: PEM by key id.
Attestation attest(const CheckResult& result, const std::string& digest,
                   const std::map<std::string, std::string>& keys);

}  // namespace slip::registry
