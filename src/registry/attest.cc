#include "registry/attest.h"

#include "codec/hash.h"
#include "core/sign/sign.h"
#include "registry/policy_json.h"

namespace slip::registry {
namespace {

using codec::Json;

const Json* first_of(const Json* list) {
  return list && list->is_array() && !list->items().empty() ? &list->items().front() : nullptr;
}
const Json* member(const Json* object, std::string_view name) {
  return object ? object->find(name) : nullptr;
}
std::string text_of(const Json* value) {
  return value && value->is_string() ? value->as_string() : std::string();
}

bool same(const Json& a, const Json& b) {
  const Result<std::string> left = codec::to_canonical_json(a);
  const Result<std::string> right = codec::to_canonical_json(b);
  return left.ok() && right.ok() && *left == *right;
}

// gate.cc writes them: one subject, one test.
bool says(const Json& statement, const CheckResult& r, const std::string& digest) {
  const Json* files = member(member(first_of(statement.find("subject")), "digest"), "sha256");
  if ("sha256:" + text_of(files) != digest) return false;
  const Json* predicate = statement.find("predicate");
  if (text_of(member(predicate, "result")) != (r.passed ? "PASSED" : "FAILED")) return false;
  const Json* notes = member(first_of(member(predicate, "configuration")), "annotations");
  const Json* check = member(notes, "check");
  if (!check || !same(*check, check_json(r.check))) return false;
  const Json* value = member(notes, "value");
  if (r.value.has_value() != (value != nullptr)) return false;
  return !value || (value->is_number() && value->as_double() == *r.value);
}

}  // namespace

Attestation attest(const CheckResult& result, const std::string& digest,
                   const std::map<std::string, std::string>& keys) {
  Attestation out;
  out.digest = codec::sha256(result.envelope).text();
  if (const Result<Json> envelope = codec::parse_json(result.envelope); envelope.ok()) {
    out.payload_type = text_of(envelope->find("payloadType"));
    out.keyid = text_of(member(first_of(envelope->find("signatures")), "keyid"));
  }
  const Result<Json> statement = sign::verify(result.envelope, keys);
  if (!statement.ok())
    out.reason = statement.error().reason;
  else if (!says(*statement, result, digest))
    out.reason = "envelope.other_statement";
  out.verified = out.reason.empty();
  return out;
}

}  // namespace slip::registry
