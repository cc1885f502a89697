#include "codec/password.h"

#include <gtest/gtest.h>

namespace slip::codec {
namespace {

TEST(Password, OnlyTheSamePasswordPasses) {
  const std::string stored = hash_password("correct horse", "0123456789abcdef").value();
  EXPECT_TRUE(stored.starts_with("scrypt$14$8$1$"));
  EXPECT_TRUE(check_password("correct horse", stored));
  EXPECT_FALSE(check_password("correct horsf", stored));
  EXPECT_FALSE(check_password("", stored));
}

TEST(Password, DamagedTextsNeverPass) {
  const std::string stored = hash_password("p", "salt").value();
  for (const std::string& bad :
       {std::string(), std::string("p"), std::string("scrypt$14$8$1$"),
        stored.substr(0, stored.size() - 2), stored + "$x", "scrypt$15" + stored.substr(9)}) {
    SCOPED_TRACE(bad);
    EXPECT_FALSE(check_password("p", bad));
    EXPECT_FALSE(check_password("", bad));
  }
}

TEST(Password, SaltsMatter) {
  EXPECT_NE(hash_password("p", "a").value(), hash_password("p", "b").value());
}

}  // namespace
}  // namespace slip::codec
