#include "core/sign/sign.h"

#include <gtest/gtest.h>

#include "base/text.h"
#include "sys/sim/sim_fs.h"
#include "test/fake/clock.h"
#include "test/store/dbs.h"

namespace slip::sign {
namespace {

using codec::Json;

TEST(Ed25519, AsRfc8032) {
  // Test 2 of RFC 8032, 7.1: the seed, its public key and the signature of the byte 0x72.
  const std::string seed =
      *from_hex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb");
  const std::string der = *from_hex("302e020100300506032b657004220420") + seed;
  const auto key = codec::Ed25519Key::from_pem("-----BEGIN PRIVATE KEY-----\n" + to_base64(der) +
                                               "\n-----END PRIVATE KEY-----\n");
  ASSERT_TRUE(key.ok());
  EXPECT_EQ(to_hex(key->sign("\x72")),
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
            "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00");
  EXPECT_TRUE(*codec::ed25519_verify(key->public_pem(), "\x72", key->sign("\x72")));
  EXPECT_FALSE(*codec::ed25519_verify(key->public_pem(), "\x73", key->sign("\x72")));
  EXPECT_FALSE(*codec::ed25519_verify(key->public_pem(), "\x72", "short"));
  EXPECT_EQ(codec::Ed25519Key::from_pem(key->private_pem())->public_pem(), key->public_pem());
}

TEST(Ed25519, OtherTextIsNoKey) {
  const codec::Ed25519Key key = codec::Ed25519Key::generate();
  for (const std::string& bad : {std::string(), std::string("x"), key.public_pem()})
    EXPECT_EQ(codec::Ed25519Key::from_pem(bad).error().reason, "key.pem");
  EXPECT_EQ(codec::ed25519_verify(key.private_pem(), "", "").error().reason, "key.pem");
}

TEST(Dsse, PreAuthenticationEncoding) {
  // The example of the DSSE specification.
  EXPECT_EQ(pre_authentication_encoding("http://example.com/HelloWorld", "hello world"),
            "DSSEv1 29 http://example.com/HelloWorld 11 hello world");
}

TEST(Dsse, WhatIsSignedVerifiesAndNothingElse) {
  const Signer signer(codec::Ed25519Key::generate());
  const Json wanted = statement({{"models:/fraud/1", std::string(64, 'a')}}, kTestResultType,
                                Json::object({{"result", "PASSED"}}));
  const std::string envelope = signer.sign(wanted);
  const std::map<std::string, std::string> keys = {{signer.keyid(), signer.public_pem()}};
  EXPECT_EQ(*verify(envelope, keys), wanted);
  EXPECT_EQ(verify(envelope, {}).error().reason, "envelope.unknown_key");
  const Signer other(codec::Ed25519Key::generate());
  EXPECT_EQ(verify(envelope, {{signer.keyid(), other.public_pem()}}).error().reason,
            "envelope.signature");
  EXPECT_FALSE(verify("{}", keys).ok());
  EXPECT_FALSE(verify("", keys).ok());
  // Any other byte of the payload: the signature no longer fits, or it is no envelope.
  Json changed = *codec::parse_json(envelope);
  std::string payload = *from_base64(changed.find("payload")->as_string());
  for (size_t i = 0; i < payload.size(); i += 7) {
    payload[i] ^= 1;
    changed.set("payload", to_base64(payload));
    EXPECT_EQ(verify(codec::to_json(changed), keys).error().reason, "envelope.signature");
    payload[i] ^= 1;
  }
}

class SignTest : public test::DbTest {};
SLIP_EVERY_DB(SignTest);

TEST_P(SignTest, TheKeyIsMadeOnceAndKeptPrivate) {
  migrated(migrations());
  sim::SimFs fs{1};
  test::FakeClock clock;
  ASSERT_TRUE(fs.make_dirs("/data").ok());
  const World world{fs, clock, db()};
  const Signer first = open_signer(world, "/data/signing-key.pem").value();
  const Signer again = open_signer(world, "/data/signing-key.pem").value();
  EXPECT_EQ(first.keyid(), again.keyid());
  clock.advance_ms(1);
  const Signer other = open_signer(world, "/data/other.pem").value();  // Another node.
  const auto keys = public_keys(db()).value();
  ASSERT_EQ(keys.size(), 2U);
  EXPECT_EQ(keys[0].public_pem, first.public_pem());
  EXPECT_EQ(keys[1].keyid, other.keyid());
  // A file that holds something else is never overwritten.
  ASSERT_TRUE(fs.open("/data/text", OpenMode::kCreate).value()->write_at(0, "notes").ok());
  EXPECT_EQ(open_signer(world, "/data/text").error().reason, "key.pem");
  EXPECT_EQ(read_file(fs, "/data/text", 100).value(), "notes");
}

}  // namespace
}  // namespace slip::sign
