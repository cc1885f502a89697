#include "test/link/link.h"

#include <array>

#include <gtest/gtest.h>

namespace slip::link {
namespace {

struct Part {
  const char* name;
  void (*check)();
};

constexpr std::array kParts = {
    Part{"re2", check_re2},       Part{"sha256", check_sha256}, Part{"tls", check_tls},
    Part{"grpc", check_grpc},     Part{"arrow", check_arrow},   Part{"parquet", check_parquet},
    Part{"duckdb", check_duckdb}, Part{"onnx", check_onnx},     Part{"libpq", check_postgres},
    Part{"rest", check_rest},
};

// Twice, the second time backwards: what one library loads or initialises mustn't change another.
TEST(Link, EveryLibraryAnswersRightBesideTheOthers) {
  for (const Part& part : kParts) {
    SCOPED_TRACE(part.name);
    part.check();
  }
  for (size_t i = kParts.size(); i-- > 0;) {
    SCOPED_TRACE(kParts[i].name);
    kParts[i].check();
  }
}

}  // namespace
}  // namespace slip::link
