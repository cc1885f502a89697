#include <gtest/gtest.h>

#include "engine/expr/function.h"
#include "sys/fs.h"

namespace slip::engine::expr {
namespace {

TEST(ExprFunctions, TheReadmeHasTheTable) {
  const auto readme = read_file(real_fs(), "src/engine/expr/README.md", 1 << 20);
  ASSERT_TRUE(readme.ok());
  constexpr std::string_view kMark = "<!-- functions -->\n";
  const size_t at = readme->find(kMark);
  ASSERT_NE(at, std::string::npos);
  EXPECT_EQ(readme->substr(at + kMark.size()), function_reference());
}

}  // namespace
}  // namespace slip::engine::expr
