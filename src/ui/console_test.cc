#include "ui/console.h"

#include <gtest/gtest.h>

#include "test/gen/ui_pack.h"

namespace slip::ui {
namespace {

std::string header(const Asset& asset, std::string_view name) {
  for (const auto& [key, value] : asset.headers) {
    if (key == name) return value;
  }
  return "";
}

class ConsoleTest : public testing::Test {
 protected:
  Console console() const { return Console::open(pack_, {"/ml/", R"({"version":"1"})"}).value(); }
  const std::string pack_ = gen::make_ui_pack(gen::sample_ui_files());
};

TEST_F(ConsoleTest, ChoosesTheCodingThatTheClientTakes) {
  struct Case {
    const char* accept;
    const char* body;
    const char* coding;
  };
  const Case cases[] = {
      {"", "let app", ""},
      {"gzip", "gz!", "gzip"},
      {"x-gzip", "gz!", "gzip"},
      {"gzip, deflate, br, zstd", "br!", "br"},
      {"GZIP , BR", "br!", "br"},
      {"br;q=0, gzip;q=0.5", "gz!", "gzip"},
      {"br;q=0.0,gzip; q=0", "let app", ""},
      {"*", "br!", "br"},
      {"*;q=0", "let app", ""},
      {"br;q=0, *", "gz!", "gzip"},
      {"br;q=nonsense", "let app", ""},
      {"deflate", "let app", ""},
      {",,;q=1,", "let app", ""},
  };
  const Console c = console();
  for (const Case& row : cases) {
    SCOPED_TRACE(row.accept);
    const Asset asset = c.find("assets/app-AbCd1234.js", row.accept, "");
    EXPECT_EQ(asset.status, 200);
    EXPECT_EQ(asset.body, row.body);
    EXPECT_EQ(header(asset, "Content-Encoding"), row.coding);
    EXPECT_EQ(header(asset, "Vary"), "Accept-Encoding");
  }
  EXPECT_EQ(c.find("assets/favicon.svg", "br, gzip", "").body, "<svg/>");
}

TEST_F(ConsoleTest, EachCodingHasItsOwnTag) {
  const Console c = console();
  const std::string plain = header(c.find("assets/app-AbCd1234.js", "", ""), "ETag");
  const std::string gzip = header(c.find("assets/app-AbCd1234.js", "gzip", ""), "ETag");
  EXPECT_NE(plain, gzip);
  EXPECT_EQ(plain.size(), 34U);
  EXPECT_EQ(c.find("assets/app-AbCd1234.js", "gzip", gzip).status, 304);
  EXPECT_EQ(c.find("assets/app-AbCd1234.js", "gzip", plain).status, 200);
  EXPECT_TRUE(c.find("assets/app-AbCd1234.js", "gzip", gzip).body.empty());
}

TEST_F(ConsoleTest, HashedNamesAreKeptForeverOthersAreAskedFor) {
  const Console c = console();
  EXPECT_NE(header(c.find("assets/app-AbCd1234.js", "", ""), "Cache-Control").find("immutable"),
            std::string::npos);
  for (const char* path : {"assets/favicon.svg", "index.html", ""}) {
    EXPECT_EQ(header(c.find(path, "", ""), "Cache-Control"), "no-cache") << path;
  }
}

TEST_F(ConsoleTest, DeepLinksAreThePage) {
  const Console c = console();
  const std::string page(c.find("", "", "").body);
  EXPECT_EQ(page,
            "<head><base href=\"/ml/\" /><meta name=\"slipway-config\" "
            "content=\"{&quot;version&quot;:&quot;1&quot;}\" /></head>");
  for (const char* path : {"index.html", "p/default", "p/default/models/fraud", "p/x/../y"}) {
    const Asset asset = c.find(path, "br", "");
    EXPECT_EQ(asset.status, 200) << path;
    EXPECT_EQ(asset.body, page) << path;
    EXPECT_NE(header(asset, "Content-Security-Policy").find("default-src 'self'"),
              std::string::npos);
    EXPECT_EQ(header(asset, "Content-Security-Policy").find("unsafe"), std::string::npos);
  }
  const std::string tag = header(c.find("", "", ""), "ETag");
  EXPECT_EQ(c.find("p/default/ledger", "", tag).status, 304);
}

TEST_F(ConsoleTest, OtherPathsAreNotFound) {
  const Console c = console();
  for (const char* path : {"p", "assets/", "assets/none.js", "../etc/passwd", "ledger", "index"}) {
    const Asset asset = c.find(path, "", "*");
    EXPECT_EQ(asset.status, 404) << path;
    EXPECT_TRUE(asset.headers.empty()) << path;
  }
  EXPECT_EQ(c.find("favicon.ico", "", "").content_type, "image/svg+xml");
}

TEST_F(ConsoleTest, AnotherBaseIsAnotherTag) {
  const Console a = Console::open(pack_, {"/", "{}"}).value();
  const Console b = Console::open(pack_, {"/b/", "{}"}).value();
  EXPECT_NE(header(a.find("", "", ""), "ETag"), header(b.find("", "", ""), "ETag"));
}

TEST(Console, WithoutAPackItSaysSo) {
  const Result<Console> c = Console::open("", {});
  ASSERT_TRUE(c.ok());
  EXPECT_TRUE(c->api_only());
  const Asset page = c->find("p/default/models", "", "");
  EXPECT_EQ(page.status, 200);
  EXPECT_NE(page.body.find("no console"), std::string_view::npos);
  EXPECT_EQ(c->find("assets/theme.js", "", "").status, 404);
}

TEST(Console, RefusesAPackWithoutAPage) {
  const std::string no_page =
      gen::make_ui_pack({{"a.js", "text/javascript", false, {"1", "", ""}}});
  EXPECT_EQ(Console::open(no_page, {}).error().reason, "ui.page_missing");
  const std::string no_mark =
      gen::make_ui_pack({{"index.html", "text/html", false, {"1", "", ""}}});
  EXPECT_EQ(Console::open(no_mark, {}).error().reason, "ui.page_mark");
}

TEST(Console, SettingsCannotBreakOutOfTheirAttributes) {
  const Settings hostile{"/\"><script>alert(1)</script>", R"({"a":"<&>"})"};
  const std::string page = render_page("<!-- slipway:head -->", hostile).value();
  EXPECT_EQ(page.find("<script>"), std::string::npos);
  EXPECT_NE(page.find("&lt;script&gt;"), std::string::npos);
  EXPECT_NE(page.find("&lt;&amp;&gt;"), std::string::npos);
}

TEST(Console, TagsMatchByWeakComparison) {
  struct Case {
    const char* header;
    bool matches;
  };
  const Case cases[] = {
      {"", false},
      {"*", true},
      {"\"a\"", true},
      {"W/\"a\"", true},
      {"\"b\", \"a\"", true},
      {"\"b\" , W/\"a\" ", true},
      {"\"ab\"", false},
      {"a", false},
      {", ,", false},
  };
  for (const Case& c : cases) EXPECT_EQ(etag_matches(c.header, "\"a\""), c.matches) << c.header;
}

}  // namespace
}  // namespace slip::ui
