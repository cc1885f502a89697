#include "http/openapi.h"

#include <gtest/gtest.h>

#include "codec/json.h"
#include "test/http/world.h"

namespace slip::http {
namespace {

using testing::public_row;

TEST(OpenApi, SaysTheSameInAnyOrder) {
  std::vector<Route> rows = {
      public_row(Method::kGet, "/models/{name}", nullptr),
      public_row(Method::kPost, "/models/{name}", nullptr, memory(100)),
      public_row(Method::kGet, "/files/{path...}", nullptr),
      public_row(Method::kGet, "/a", nullptr),
  };
  rows[0].permission = {Right::kRead, "model"};
  rows[1].request_schema = R"({"type":"object"})";
  const auto first = openapi(rows, "1.2.3");
  ASSERT_TRUE(first.ok());
  std::swap(rows[0], rows[3]);
  std::swap(rows[1], rows[2]);
  EXPECT_EQ(openapi(rows, "1.2.3").value(), *first);
  const auto document = codec::parse_json(*first);
  ASSERT_TRUE(document.ok());
  const codec::Json* models = document->find("paths")->find("/models/{name}");
  ASSERT_NE(models, nullptr);
  EXPECT_EQ(models->find("get")->find("operationId")->as_string(), "get_models_by_name");
  EXPECT_EQ(models->find("get")->find("security"), nullptr);
  EXPECT_NE(models->find("post")->find("requestBody"), nullptr);
  EXPECT_NE(document->find("paths")->find("/files/{path}"), nullptr);
}

TEST(OpenApi, RefusesASchemaThatIsNone) {
  std::vector<Route> rows = {public_row(Method::kGet, "/a", nullptr)};
  rows[0].reply_schema = "{";
  EXPECT_EQ(openapi(rows, "1").error().reason, "routes.schema");
}

}  // namespace
}  // namespace slip::http
