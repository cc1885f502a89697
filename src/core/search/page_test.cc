#include "core/search/page.h"

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "test/gen/dice.h"
#include "test/store/dbs.h"

namespace slip::search {
namespace {

TEST(PageToken, ComesBackAsItWas) {
  const std::vector<SortKey> keys = {{.expr = "a", .type = Type::kInteger, .args = {}},
                                     {.expr = "b", .type = Type::kNumber, .args = {}},
                                     {.expr = "c", .type = Type::kText, .args = {}}};
  const std::vector<Bound> last = {int64_t{-7}, 0.1, std::string("ü'\"")};
  const std::string token = make_page_token("q", last);
  EXPECT_EQ(parse_page_token(token, "q", keys).value(), last);
  EXPECT_TRUE(parse_page_token("", "q", keys).value().empty());
  for (const std::string& bad : {std::string("%%%"), std::string("e30="), token + "A"})
    EXPECT_EQ(parse_page_token(bad, "q", keys).error().reason, "page.token") << bad;
  EXPECT_EQ(parse_page_token(token, "other", keys).error().reason, "page.token");
  const std::vector<SortKey> other = {keys[2], keys[1], keys[0]};
  EXPECT_EQ(parse_page_token(token, "q", other).error().reason, "page.token");
}

TEST(PageToken, ContinuesBehindTheLastRow) {
  const std::vector<SortKey> keys = {{.expr = "a", .ascending = false, .args = {}},
                                     {.expr = "b", .type = Type::kText, .args = {}}};
  Sql sql;
  add_after(&sql, keys, std::vector<Bound>{int64_t{3}, std::string("x")});
  EXPECT_EQ(sql.text,
            "(a < CAST(? AS BIGINT) OR (a = CAST(? AS BIGINT) AND (b > CAST(? AS TEXT))))");
  EXPECT_EQ(sql.args.size(), 3U);
}

class PageQueries : public test::DbTest {
 protected:
  static constexpr store::Migration kSchema[] = {
      {"shelf", 1,
       "CREATE TABLE book (project TEXT NOT NULL, id BIGINT NOT NULL, title TEXT NOT NULL,"
       " weight DOUBLE PRECISION NOT NULL, owner TEXT NOT NULL, PRIMARY KEY (project, id))"}};
  static constexpr Select kBooks = {"b.id, b.owner", 2, "book b WHERE b.project = ?"};

  struct Book {
    int64_t id = 0;
    std::string title = "t";
    double weight = 0;
    std::string owner = "a";
    std::string project = "p";
  };
  static void put(store::Db& db, const Book& book) {
    const Status put = db.write([&](store::Tx& tx) -> Status {
      TRY(tx.exec("INSERT INTO book VALUES (?, ?, ?, ?, ?)",
                  {book.project, book.id, book.title, book.weight, book.owner}));
      return {};
    });
    ASSERT_TRUE(put.ok()) << put.error().text;
  }
  static Page<int64_t> page(store::Db& db, const PageQuery& query) {
    Page<int64_t> out;
    const Status read = db.read([&](store::Tx& tx) -> Status {
      out =
          TRY(read_page(tx, "p", kBooks, query, [](const store::Row& row) { return row.i64(0); }));
      return {};
    });
    EXPECT_TRUE(read.ok()) << (read.ok() ? "" : read.error().text);
    return out;
  }
  // Every page of it, `limit` rows each.
  static std::vector<int64_t> all(store::Db& db, PageQuery query, int64_t limit) {
    std::vector<int64_t> out;
    query.limit = limit;
    for (std::string token;;) {
      EXPECT_TRUE(query.start_at(token).ok());
      const Page<int64_t> one = page(db, query);
      EXPECT_LE(static_cast<int64_t>(one.items.size()), limit);
      out.insert(out.end(), one.items.begin(), one.items.end());
      token = one.next_page_token;
      if (token.empty()) return out;
      EXPECT_EQ(static_cast<int64_t>(one.items.size()), limit);
    }
  }
  static PageQuery by(std::vector<SortKey> keys) {
    PageQuery query;
    query.identity = "books";
    query.keys = std::move(keys);
    query.keys.push_back({.expr = "b.id", .args = {}});
    return query;
  }
};
SLIP_EVERY_DB(PageQueries);

TEST_P(PageQueries, GiveEachRowOnceWhateverTheOrderAndThePage) {
  store::Db& db = migrated(kSchema);
  gen::Dice dice = gen::Dice::seeded(7);
  std::vector<int64_t> ids;
  for (int64_t id = 1; id <= 23; ++id) {
    const std::string title(1, static_cast<char>('a' + dice.below(3)));
    put(db, {.id = id, .title = title, .weight = 0.1 * static_cast<double>(dice.below(3))});
    ids.push_back(id);
  }
  put(db, {.id = 99, .project = "other"});
  const SortKey title = {.expr = "b.title", .type = Type::kText, .ascending = false, .args = {}};
  const SortKey weight = {.expr = "b.weight + CAST(? AS DOUBLE PRECISION)",
                          .type = Type::kNumber,
                          .args = {Bound(0.3)}};
  for (const auto& keys :
       {std::vector<SortKey>{}, {title}, {weight}, {title, weight}, {weight, title}}) {
    const PageQuery query = by(keys);
    const std::vector<int64_t> whole = all(db, query, 100);
    std::vector<int64_t> sorted = whole;
    std::sort(sorted.begin(), sorted.end());
    ASSERT_EQ(sorted, ids);
    for (const int64_t limit : {1, 2, 7, 22, 23, 24}) EXPECT_EQ(all(db, query, limit), whole);
  }
}

TEST_P(PageQueries, AreNotShiftedByWhatComesAndGoes) {
  store::Db& db = migrated(kSchema);
  for (int64_t id = 10; id <= 60; id += 10) put(db, {.id = id});
  PageQuery query = by({});
  query.limit = 2;
  const Page<int64_t> first = page(db, query);
  EXPECT_EQ(first.items, (std::vector<int64_t>{10, 20}));
  put(db, {.id = 5});
  put(db, {.id = 25});
  ASSERT_TRUE(db.write([](store::Tx& tx) -> Status {
                  TRY(tx.exec("DELETE FROM book WHERE id = 20", {}));
                  return {};
                }).ok());
  ASSERT_TRUE(query.start_at(first.next_page_token).ok());
  EXPECT_EQ(page(db, query).items, (std::vector<int64_t>{25, 30}));
}

TEST_P(PageQueries, ShowWhatIsAskedForAndVisible) {
  store::Db& db = migrated(kSchema);
  for (int64_t id = 1; id <= 12; ++id)
    put(db, {.id = id, .title = id % 2 ? "odd" : "even", .owner = id % 3 ? "a" : "b"});
  PageQuery query = by({{.expr = "b.title", .type = Type::kText, .args = {}}});
  query.where.add(" AND b.title = ?").bind(std::string("odd"));
  const std::vector<int64_t> odd = {1, 3, 5, 7, 9, 11};
  EXPECT_EQ(all(db, query, 2), odd);
  query.limit = 1;
  const std::string token = page(db, query).next_page_token;
  query.visible.add(" AND b.owner IN (?, ?)").bind(std::string("b")).bind(std::string("c"));
  EXPECT_EQ(all(db, query, 1), (std::vector<int64_t>{3, 9}));
  // What one may see changes between two pages without breaking the token.
  ASSERT_TRUE(query.start_at(token).ok());
  EXPECT_EQ(page(db, query).items, std::vector<int64_t>{3});
  query.identity = "films";
  EXPECT_EQ(query.start_at(token).error().reason, "page.token");
}

}  // namespace
}  // namespace slip::search
