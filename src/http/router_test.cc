#include "http/router.h"

#include <gtest/gtest.h>

#include "base/text.h"

namespace slip::http {
namespace {

Route row(Method method, std::string path) {
  Route r;
  r.method = method;
  r.path = std::move(path);
  r.permission = {Right::kRead, "thing"};
  r.audit = Audit::kNone;
  r.summary = "Does it.";
  r.blocking = [](const Ctx&, Request&) -> Result<Reply> { return Reply{}; };
  return r;
}

Router make(std::vector<Route> rows) {
  auto router = Router::make(std::move(rows));
  EXPECT_TRUE(router.ok()) << (router ? "" : router.error().text);
  return std::move(router).value();
}

// "path|name=value|…", "404", "405 GET, HEAD" or the reason of a refusal.
std::string found(const Router& router, Method method, std::string_view path) {
  std::vector<std::pair<std::string_view, std::string>> params;
  const auto match = router.find(method, path, &params);
  if (!match) return match.error().reason;
  if (!match->route) return match->methods ? "405 " + Router::allow(match->methods) : "404";
  std::string out = match->route->path;
  for (const auto& [name, value] : params) out += concat({"|", name, "=", value});
  return out;
}

TEST(Router, FindsTheMostSpecificRow) {
  const Router router = make({
      row(Method::kGet, "/"),
      row(Method::kGet, "/models"),
      row(Method::kPost, "/models"),
      row(Method::kGet, "/models/{name}"),
      row(Method::kPost, "/models/search"),
      row(Method::kGet, "/models/{name}/versions/{v}"),
      row(Method::kPost, "/v1/models/{m}:predict"),
      row(Method::kPost, "/v1/models/{m}:explain"),
      row(Method::kGet, "/v1/models/{m}"),
      row(Method::kGet, "/files/{path...}"),
      row(Method::kGet, "/files/index"),
      row(Method::kGet, "/slash/"),
      row(Method::kGet, "/v-{x}/a"),
  });
  struct Case {
    Method method;
    std::string_view path;
    std::string_view want;
  };
  const Case cases[] = {
      {Method::kGet, "/", "/"},
      {Method::kHead, "/models", "/models"},
      {Method::kDelete, "/models", "405 GET, HEAD, POST"},
      {Method::kGet, "/models/fraud", "/models/{name}|name=fraud"},
      {Method::kPost, "/models/search", "/models/search"},
      // The fixed row has no GET, the parameter has.
      {Method::kGet, "/models/search", "/models/{name}|name=search"},
      {Method::kPut, "/models/search", "405 GET, HEAD, POST"},
      {Method::kGet, "/models/a/versions/3", "/models/{name}/versions/{v}|name=a|v=3"},
      {Method::kPost, "/v1/models/a:b:predict", "/v1/models/{m}:predict|m=a:b"},
      {Method::kPost, "/v1/models/a%3Apredict", "/v1/models/{m}:predict|m=a"},
      {Method::kPost, "/v1/models/:predict", "405 GET, HEAD"},
      {Method::kGet, "/v1/models/a:explain", "/v1/models/{m}|m=a:explain"},
      {Method::kGet, "/files/a/b%2Fc", "/files/{path...}|path=a/b/c"},
      {Method::kGet, "/files/", "/files/{path...}|path="},
      {Method::kGet, "/files", "404"},
      {Method::kGet, "/files/index", "/files/index"},
      {Method::kGet, "/files/index/x", "/files/{path...}|path=index/x"},
      {Method::kGet, "/v-7/a", "/v-{x}/a|x=7"},
      {Method::kGet, "/v-/a", "404"},
      // Slashes, case and encodings are taken as they are, once.
      {Method::kGet, "/models/", "404"},
      {Method::kGet, "/slash", "404"},
      {Method::kGet, "/slash/", "/slash/"},
      {Method::kGet, "//models", "404"},
      {Method::kGet, "/models//versions/3", "404"},
      {Method::kGet, "/Models", "404"},
      {Method::kGet, "/mod%65ls", "/models"},
      {Method::kGet, "/models%2ffraud", "404"},
      {Method::kGet, "/models/a%2fb", "/models/{name}|name=a/b"},
      {Method::kGet, "/models/a%252fb", "/models/{name}|name=a%2fb"},
      {Method::kGet, "/models/a+b", "/models/{name}|name=a+b"},
      {Method::kGet, "/models/%zz", "path.encoding"},
      {Method::kGet, "/models/a%00", "path.encoding"},
      {Method::kGet, "/models/..", "path.dot_segment"},
      {Method::kGet, "/models/%2e%2e", "path.dot_segment"},
      {Method::kGet, "/files/../etc/passwd", "path.dot_segment"},
      {Method::kGet, "/files/./x", "path.dot_segment"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.path);
    EXPECT_EQ(found(router, c.method, c.path), c.want);
  }
}

TEST(Router, NamesEveryBadRow) {
  std::vector<Route> rows = {
      row(Method::kGet, "/a/{x}"),    row(Method::kGet, "/a/{y}"),
      row(Method::kGet, "no-slash"),  row(Method::kGet, "/b/{x...}/c"),
      row(Method::kGet, "/c/{x}{y}"), row(Method::kGet, "/d"),
      row(Method::kGet, "/e"),        row(Method::kGet, "/f"),
      row(Method::kHead, "/g"),       row(Method::kPost, "/h"),
      row(Method::kGet, "/~p/x"),     row(Method::kGet, "/i"),
  };
  rows[5].permission = {};
  rows[6].audit = Audit::kUnset;
  rows[7].blocking = nullptr;
  rows[9].body = spool(10);
  rows[9].inline_ = [](const Ctx&, Request&, Responder) {};
  rows[11].blocking = nullptr;
  rows[11].inline_ = [](const Ctx&, Request&, Responder) {};
  rows[11].waits_for_others = true;
  const auto router = Router::make(std::move(rows));
  ASSERT_FALSE(router.ok());
  EXPECT_EQ(router.error().reason, "routes.invalid");
  for (const std::string_view path : {"/a/{y}", "no-slash", "/b/{x...}/c", "/c/{x}{y}", "/d", "/e",
                                      "/f", "/g", "/h", "/~p/x", "/i"})
    EXPECT_NE(router.error().text.find(concat({path, ": "})), std::string::npos) << path;
  EXPECT_EQ(router.error().text.find("/a/{x}: "), std::string::npos);
}

}  // namespace
}  // namespace slip::http
