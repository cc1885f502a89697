#include "ui/routes.h"

#include <gtest/gtest.h>

#include "test/gen/ui_pack.h"

namespace slip::ui {
namespace {

class UiRoutes : public testing::Test {
 protected:
  Result<http::Reply> get(std::string_view row, std::string rest, std::string_view accept) {
    for (const http::Route& route : rows_) {
      if (route.path != row) continue;
      http::Request request;
      request.params.emplace_back("path", std::move(rest));
      request.headers.emplace_back("accept", accept);
      return route.blocking(Ctx{}, request);
    }
    return internal("test.row", "no such row");
  }

  const std::string pack_ = gen::make_ui_pack(gen::sample_ui_files());
  const std::vector<http::Route> rows_ =
      routes(std::make_shared<const Console>(Console::open(pack_, {}).value()));
};

TEST_F(UiRoutes, RootAnswersByAccept) {
  EXPECT_EQ(get("/", "", "text/html,*/*")->content_type, "text/html; charset=utf-8");
  EXPECT_EQ(get("/", "", "*/*")->body, R"({"status":"alive"})");
  EXPECT_EQ(get("/", "", "")->content_type, "application/json");
}

TEST_F(UiRoutes, DeepLinksAndFiles) {
  EXPECT_EQ(get("/p/{path...}", "default/models", "*/*")->body, get("/", "", "text/html")->body);
  EXPECT_EQ(get("/assets/{path...}", "favicon.svg", "*/*")->body, "<svg/>");
  EXPECT_EQ(get("/favicon.ico", "", "*/*")->body, "<svg/>");
  EXPECT_EQ(get("/assets/{path...}", "none.js", "*/*").error().reason, "ui.not_found");
}

TEST_F(UiRoutes, EveryRowIsPublicAndComplete) {
  for (const http::Route& route : rows_) {
    SCOPED_TRACE(route.path);
    EXPECT_EQ(route.permission.right, http::Right::kPublic);
    EXPECT_EQ(route.audit, http::Audit::kNone);
    EXPECT_TRUE(route.blocking != nullptr && route.inline_ == nullptr);
    EXPECT_FALSE(route.summary.empty());
  }
}

}  // namespace
}  // namespace slip::ui
