#include "codec/hash.h"

#include <gtest/gtest.h>

#include "base/text.h"
#include "test/gen/dice.h"

namespace slip::codec {
namespace {

TEST(Hash, Sha256OfTheStandardsExamples) {  // FIPS 180-4, examples of NIST.
  struct Case {
    std::string text;
    const char* hex;
  };
  const Case cases[] = {
      {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
      {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
      {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
       "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
      {std::string(1'000'000, 'a'),
       "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"},
  };
  for (const Case& c : cases) EXPECT_EQ(sha256(c.text).hex(), c.hex);
}

TEST(Hash, StreamsAgreeWithWholeTexts) {
  gen::Dice dice = gen::Dice::seeded(3);
  std::string text;
  Sha256Stream stream;
  for (int i = 0; i < 50; ++i) {
    const std::string part(dice.below(300), static_cast<char>(dice.below(256)));
    stream.update(part);
    text += part;
  }
  EXPECT_EQ(stream.finish(), sha256(text));
}

TEST(Hash, ParsesDigests) {
  const Sha256 d = sha256("x");
  EXPECT_EQ(parse_sha256(d.text()).value(), d);
  EXPECT_EQ(parse_sha256(d.hex()).value(), d);
  for (const std::string& bad : {std::string(), std::string("sha256:"), d.hex().substr(1),
                                 d.hex() + "00", "md5:" + d.hex(), std::string(64, 'g')})
    EXPECT_EQ(parse_sha256(bad).error().reason, "digest.syntax") << bad;
}

TEST(Hash, HmacOfRfc4231) {
  EXPECT_EQ(to_hex(hmac_sha256(std::string(20, '\x0b'), "Hi There")),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  EXPECT_EQ(to_hex(hmac_sha256("Jefe", "what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(to_hex(hmac_sha256(std::string(131, '\xaa'),
                               "Test Using Larger Than Block-Size Key - Hash Key First")),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST(Hash, Xxh3DependsOnSeedAndBytes) {
  EXPECT_EQ(xxh3(""), 0x2d06800538d394c2u);
  EXPECT_NE(xxh3("abc"), xxh3("abd"));
  EXPECT_NE(xxh3("abc", 1), xxh3("abc", 2));
}

}  // namespace
}  // namespace slip::codec
