#include "wire/native/signing.h"

#include "wire/native/native.h"

namespace slip::wire::native {

std::vector<http::Route> signing_routes(SigningApp app) {
  std::vector<http::Route> out;
  http::Route& row = out.emplace_back();
  row.method = http::Method::kGet;
  row.path = "/.well-known/slipway/signing-keys";
  row.permission = {http::Right::kPublic, "server"};
  row.audit = http::Audit::kNone;
  row.summary = "Public keys of the server's signed statements, oldest first.";
  row.blocking = [app](const Ctx&, http::Request&) -> Result<http::Reply> {
    codec::Json keys = codec::Json::array();
    for (const sign::PublicKey& key : TRY(app.keys()))
      keys.push(codec::Json::object({{"keyid", key.keyid},
                                     {"algorithm", "ed25519"},
                                     {"public_key_pem", key.public_pem},
                                     {"created_ms", key.created_ms}}));
    return json_reply(codec::Json::object({{"keys", std::move(keys)}}));
  };
  return out;
}

}  // namespace slip::wire::native
