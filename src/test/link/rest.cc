#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <libpq-fe.h>
#include <re2/re2.h>
#include <re2/set.h>
#include <simdjson.h>
#include <sqlite3.h>
#include <xxhash.h>
#include <yaml-cpp/yaml.h>
#include <zstd.h>

#include "test/link/link.h"

namespace slip::link {

void check_re2() {
  std::string key;
  int value = 0;
  re2::RE2 pair("(\\w+)\\s*=\\s*(\\d+)");
  ASSERT_TRUE(pair.ok());
  EXPECT_TRUE(re2::RE2::PartialMatch("  depth = 42;", pair, &key, &value));
  EXPECT_EQ(key, "depth");
  EXPECT_EQ(value, 42);
  EXPECT_FALSE(re2::RE2::FullMatch("depth = 42;", pair));

  re2::RE2::Set set(re2::RE2::DefaultOptions, re2::RE2::UNANCHORED);
  for (const char* pattern : {"[a-z]+@[a-z]+\\.[a-z]{2,}", "\\b\\d{4}-\\d{2}\\b", "(?i)secret"}) {
    ASSERT_GE(set.Add(pattern, nullptr), 0);
  }
  ASSERT_TRUE(set.Compile());
  std::vector<int> hits;
  EXPECT_TRUE(set.Match("on 2024-05 SECRET things", &hits));
  std::sort(hits.begin(), hits.end());
  EXPECT_EQ(hits, (std::vector<int>{1, 2}));

  std::string text = "aaaa bbb";
  EXPECT_EQ(re2::RE2::GlobalReplace(&text, "a{2}|b$", "x"), 3);
  EXPECT_EQ(text, "xx bbx");
}

void check_postgres() {
  EXPECT_EQ(PQlibVersion() / 10000, 15);
  char* error = nullptr;
  PQconninfoOption* parts = PQconninfoParse("postgresql://u:p@h:5433/d?sslmode=require", &error);
  ASSERT_NE(parts, nullptr) << error;
  std::string port;
  for (PQconninfoOption* p = parts; p->keyword; ++p) {
    if (std::string_view(p->keyword) == "port" && p->val) port = p->val;
  }
  EXPECT_EQ(port, "5433");
  PQconninfoFree(parts);

  // Port 1 of loopback refuses at once; the way there runs through TLS and the left-out GSSAPI.
  PGconn* connection = PQconnectdb("host=127.0.0.1 port=1 dbname=d user=u connect_timeout=2");
  EXPECT_EQ(PQstatus(connection), CONNECTION_BAD);
  EXPECT_NE(std::string_view(PQerrorMessage(connection)), "");
  PQfinish(connection);
}

void check_rest() {
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open(":memory:", &db), SQLITE_OK);
  EXPECT_EQ(sqlite3_exec(db, "create table t(a int); insert into t values(3);", nullptr, nullptr,
                         nullptr),
            SQLITE_OK);
  sqlite3_close(db);

  std::string text(10000, 'x');
  std::string packed(ZSTD_compressBound(text.size()), 0);
  packed.resize(ZSTD_compress(packed.data(), packed.size(), text.data(), text.size(), 3));
  std::string back(text.size(), 0);
  EXPECT_EQ(ZSTD_decompress(back.data(), back.size(), packed.data(), packed.size()), text.size());
  EXPECT_EQ(back, text);

  EXPECT_EQ(XXH3_64bits("", 0), 0x2d06800538d394c2u);  // The published hash of nothing, seed 0.

  simdjson::dom::parser parser;
  auto json = simdjson::padded_string(std::string_view(R"({"a":[1,2,30]})"));
  EXPECT_EQ(int64_t{parser.parse(json)["a"].at(2)}, 30);

  EXPECT_EQ(YAML::Load("{a: [1, 2, 30]}")["a"][2].as<int>(), 30);
}

}  // namespace slip::link
