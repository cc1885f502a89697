#include "core/sign/sign.h"

#include <array>
#include <utility>

#include "base/text.h"
#include "codec/hash.h"
#include "sys/clock.h"
#include "sys/fs.h"

namespace slip::sign {
namespace {

using codec::Json;

constexpr int64_t kPemBytesMax = 16 << 10;

constexpr std::array<store::Migration, 1> kMigrations = {
    {{"sign", 1,
      "CREATE TABLE signing_key (keyid TEXT NOT NULL PRIMARY KEY, public_pem TEXT NOT NULL,"
      " created_ms BIGINT NOT NULL)"}}};

Error bad_envelope(std::string_view why) {
  return invalid("envelope.syntax", concat({"not a DSSE envelope: ", why}));
}

// The file exists before it holds anything, so the key is never readable by others.
Status write_key(Fs& fs, const std::string& path, std::string_view pem) {
  const std::unique_ptr<File> file = TRY(fs.open(path, OpenMode::kTruncate));
  TRY(fs.make_private(path));
  TRY(file->write_at(0, pem));
  TRY(file->sync());
  return fs.sync_dir(parent_dir(path));
}

}  // namespace

Json statement(const std::vector<Subject>& subjects, std::string_view predicate_type,
               Json predicate) {
  Json list = Json::array();
  for (const Subject& s : subjects)
    list.push(
        Json::object({{"name", s.name}, {"digest", Json::object({{"sha256", s.sha256_hex}})}}));
  Json out = Json::object();
  out.set("_type", kStatementType);
  out.set("subject", std::move(list));
  out.set("predicateType", predicate_type);
  out.set("predicate", std::move(predicate));
  return out;
}

std::string pre_authentication_encoding(std::string_view type, std::string_view payload) {
  return concat({"DSSEv1 ", std::to_string(type.size()), " ", type, " ",
                 std::to_string(payload.size()), " ", payload});
}

std::string key_id(std::string_view public_pem) { return codec::sha256(public_pem).hex(); }

Signer::Signer(codec::Ed25519Key key)
    : key_(std::move(key)), public_pem_(key_.public_pem()), keyid_(key_id(public_pem_)) {}

std::string Signer::sign(const Json& statement) const {
  const std::string payload = codec::to_json(statement);
  const std::string sig = key_.sign(pre_authentication_encoding(kPayloadType, payload));
  Json signatures = Json::array();
  signatures.push(Json::object({{"keyid", keyid_}, {"sig", to_base64(sig)}}));
  return codec::to_json(Json::object({{"payload", to_base64(payload)},
                                      {"payloadType", kPayloadType},
                                      {"signatures", std::move(signatures)}}));
}

Result<Json> verify(std::string_view envelope, const std::map<std::string, std::string>& keys) {
  if (envelope.size() > kEnvelopeBytesMax) return bad_envelope("too large");
  const Json parsed = TRY(codec::parse_json(envelope));
  const std::string type = TRY(codec::want_string(parsed, "payloadType"));
  const std::optional<std::string> payload =
      from_base64(TRY(codec::want_string(parsed, "payload")));
  if (!payload) return bad_envelope("the payload is not base64");
  const Json* signatures = parsed.find("signatures");
  if (!signatures || !signatures->is_array()) return bad_envelope("no signatures");
  bool known = false;
  for (const Json& one : signatures->items()) {
    const auto key = keys.find(TRY(codec::string_or(one, "keyid", "")));
    const std::optional<std::string> sig = from_base64(TRY(codec::string_or(one, "sig", "")));
    if (key == keys.end() || !sig) continue;
    known = true;
    if (TRY(codec::ed25519_verify(key->second, pre_authentication_encoding(type, *payload), *sig)))
      return codec::parse_json(*payload);
  }
  if (!known) return invalid("envelope.unknown_key", "no key that is known here signed it");
  return invalid("envelope.signature", "the signature does not fit the payload");
}

Result<Signer> open_signer(World world, const std::string& path) {
  std::optional<codec::Ed25519Key> key;
  Result<std::string> pem = read_file(world.fs, path, kPemBytesMax);
  if (pem.ok() && !pem->empty()) {
    Result<codec::Ed25519Key> read = codec::Ed25519Key::from_pem(*pem);
    if (!read.ok()) return std::move(read).error().within(path);
    key = std::move(read).value();
  } else if (pem.ok() || pem.error().code == Code::kNotFound) {
    // Empty: a start that ended between making the file and writing it signed nothing with it.
    key = codec::Ed25519Key::generate();
    TRY(write_key(world.fs, path, key->private_pem()));
  } else {
    return std::move(pem).error();
  }
  Signer signer(std::move(*key));
  TRY(world.db.write([&](store::Tx& tx) -> Status {
    TRY(
        tx.exec("INSERT INTO signing_key (keyid, public_pem, created_ms) VALUES (?, ?, ?)"
                " ON CONFLICT (keyid) DO NOTHING",
                {signer.keyid(), signer.public_pem(), world.clock.now_ms()}));
    return {};
  }));
  return signer;
}

Result<std::vector<PublicKey>> public_keys(store::Db& db) {
  std::vector<PublicKey> out;
  TRY(db.read([&](store::Tx& tx) -> Status {
    out.clear();
    return tx.each(
        "SELECT keyid, public_pem, created_ms FROM signing_key"
        " ORDER BY created_ms, keyid",
        {}, [&](const store::Row& row) {
          out.push_back({.keyid = row.str(0), .public_pem = row.str(1), .created_ms = row.i64(2)});
        });
  }));
  return out;
}

std::span<const store::Migration> migrations() { return kMigrations; }

}  // namespace slip::sign
