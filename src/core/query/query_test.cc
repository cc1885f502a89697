#include "core/query/query.h"

#include <gtest/gtest.h>

#include "base/text.h"
#include "sys/clock.h"
#include "sys/executor.h"

namespace slip::query {
namespace {

using codec::ColumnType;
using codec::Field;
using codec::make_field;
using codec::Table;

std::unique_ptr<Database> make(Options options = {}) {
  options.dir = testing::TempDir();
  options.dir.pop_back();
  Result<std::unique_ptr<Database>> made = Database::open(std::move(options));
  EXPECT_TRUE(made.ok()) << made.error().text;
  return std::move(*made);
}

std::string cell(const codec::Column& c, int64_t i) {
  if (c.is_null(i)) return "null";
  switch (c.type) {
    case ColumnType::kBool:
      return c.boolean(i) ? "true" : "false";
    case ColumnType::kInt64:
    case ColumnType::kTimestampUs:
      return std::to_string(c.i64(i));
    case ColumnType::kDouble:
      return format_double(c.f64(i));
    case ColumnType::kText:
    case ColumnType::kBytes:
      return std::string(c.text(i));
  }
  return "";
}

// "name:type,…|cell,…|…", or the reason and the start of the text of an error.
std::string asked(Database& db, std::string_view query) {
  Result<std::unique_ptr<codec::TableReader>> rows = db.select(query);
  const auto failed = [](const Error& e) { return concat({e.reason, " ", e.text.substr(0, 60)}); };
  if (!rows.ok()) return failed(rows.error());
  std::string out;
  for (const Field& f : (*rows)->schema())
    out += concat({out.empty() ? "" : ",", f.name, ":", f.type_name});
  for (;;) {
    Result<std::optional<Table>> batch = (*rows)->next();
    if (!batch.ok()) return failed(batch.error());
    if (!*batch) return out;
    for (int64_t i = 0; i < (*batch)->rows; ++i) {
      out += '|';
      for (size_t c = 0; c < (*batch)->columns.size(); ++c)
        out += concat({c == 0 ? "" : ",", cell((*batch)->columns[c], i)});
    }
  }
}

Table things() {
  Table t = codec::make_table(
      {make_field("user", ColumnType::kText), make_field("n", ColumnType::kInt64),
       make_field("x", ColumnType::kDouble), make_field("yes", ColumnType::kBool),
       make_field("time", ColumnType::kTimestampUs), make_field("raw", ColumnType::kBytes)});
  for (int i = 0; i < 3; ++i) {
    t.columns[0].add_text(i == 1 ? "a text longer than twelve bytes" : "é");
    i == 2 ? t.columns[1].add_null() : t.columns[1].add_i64(INT64_MAX - i);
    t.columns[2].add_f64(0.5 * i);
    i == 0 ? t.columns[3].add_null() : t.columns[3].add_bool(i == 1);
    t.columns[4].add_i64(i);
    t.columns[5].add_text(std::string("\0z", 2));
    ++t.rows;
  }
  return t;
}

TEST(Query, Answers) {
  const auto db = make();
  ASSERT_TRUE(db->create("t", things().schema).ok());
  ASSERT_TRUE(db->append("t", things()).ok());
  const std::string zero("\0z", 2);
  const std::pair<std::string_view, std::string> rows[] = {
      {"SELECT * FROM t WHERE n IS NOT NULL ORDER BY time",
       "user:string,n:int64,x:double,yes:bool,time:timestamp[us],raw:binary"
       "|é,9223372036854775807,0,null,0," +
           zero + "|a text longer than twelve bytes,9223372036854775806,0.5,true,1," + zero},
      {"select n from t order by time desc limit 1; -- the last", "n:int64|null"},
      {"WITH a AS (SELECT 1 i) FROM a", "i:int64|1"},
      {"VALUES (1, 'x')", "col0:int64,col1:string|1,x"},
      {"SELECT count(*) n, sum(x) s, avg(x) m FROM t", "n:int64,s:double,m:double|3,1.5,0.5"},
      {"SELECT n FROM t WHERE false", "n:int64"},
      // Types that ours stand for.
      {"SELECT 1.25 d, 3::UTINYINT u, 2::HUGEINT h, 1::FLOAT f",
       "d:double,u:int64,h:int64,f:double|1.25,3,2,1"},
      {"SELECT sum(i) s FROM range(5) r(i)", "s:int64|10"},
      {"SELECT DATE '1970-01-02' d, TIMESTAMPTZ '1970-01-01 01:00:00+01' z, "
       "TIMESTAMP_S '1970-01-01 00:00:01' s",
       "d:timestamp[us],z:timestamp[us],s:timestamp[us]|86400000000,0,1000000"},
      {"SELECT date_trunc('day', TIMESTAMPTZ '1970-01-02 23:00:00Z') d",
       "d:timestamp[us]|86400000000"},
      {"SELECT [1, 2] l, {'a': 'x'} s, INTERVAL 1 DAY i, NULL n",
       "l:json,s:json,i:string,n:int64|[1,2],{\"a\":\"x\"},1 day,null"},
      {"SELECT 9223372036854775808::HUGEINT h",
       "sql.query Conversion Error: Type INT128 with value 9223372036854775808"},
      {"SELECT DATE '5000000-01-01' d", "sql.query Conversion Error"},
      {"SELECT 'infinity'::TIMESTAMP t", "sql.range t: an infinite time"},
      // What no query may be.
      {"", "sql.query there is no query"},
      {"-- nothing", "sql.query there is no query"},
      {"SELECT 1; SELECT 2", "sql.query one query is wanted, not several"},
      {"SELECT ?", "sql.query the query has parameters, and nobody to fill them in"},
      {"SELEC 1", "sql.query a query that only reads is wanted: SELECT, WITH, VALUES or"},
      {"SELECT FORM t", "sql.query Binder Error"},
      {"/* a */ -- b\n (SELECT 1 x)", "x:int64|1"},
      {"/* a */ COPY t TO '/tmp/x'", "sql.query a query that only reads is wanted"},
      {"SELECT y FROM t", "sql.query Binder Error: Referenced column \"y\" not found in FROM clau"},
      {"SELECT 1 a, 2 a", "sql.column two columns of the query are called a"},
      {"DELETE FROM t", "sql.query a query that only reads is wanted: SELECT, WITH, VALUES or"},
      {"DROP TABLE t", "sql.query a query that only reads is wanted: SELECT, WITH, VALUES or"},
      {"COPY t TO '/tmp/x'",
       "sql.query a query that only reads is wanted: SELECT, WITH, VALUES or"},
      {"SET threads = 8", "sql.query a query that only reads is wanted: SELECT, WITH, VALUES or"},
  };
  for (const auto& [query, want] : rows)
    EXPECT_EQ(asked(*db, query).substr(0, want.size()), want) << query;
}

// Everything by which a query could leave its database.
TEST(Query, ReachesNothingElse) {
  const auto db = make();
  for (const std::string_view query :
       {"SELECT * FROM read_csv('/etc/passwd')", "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM read_blob('/etc/passwd')", "FROM '/etc/passwd'", "FROM glob('/*')",
        "FROM read_parquet('https://127.0.0.1/x')", "FROM read_text('/proc/self/environ')",
        "SELECT getenv('HOME')", "FROM sqlite_scan('/x', 'y')", "ATTACH '/tmp/x.db'",
        "INSTALL httpfs", "LOAD httpfs", "CREATE TABLE x AS SELECT 1", "EXPORT DATABASE '/tmp/x'",
        "CALL pragma_version()"}) {
    const std::string said = asked(*db, query);
    EXPECT_TRUE(said.starts_with("sql.query ")) << query << ": " << said;
  }
  EXPECT_EQ(asked(*db, "SELECT 1 a"), "a:int64|1");  // It goes on.
}

TEST(Query, MemoryIsBounded) {
  const auto db = make({.dir = "", .memory_bytes = 32 << 20});
  EXPECT_EQ(asked(*db,
                  "SELECT count(*) n FROM (SELECT md5(i::VARCHAR) h FROM range(600000) r(i)"
                  " ORDER BY h LIMIT 599999)"),
            "n:int64|599999");  // Spilled.
  const std::string much = asked(*db, "SELECT list(md5(i::VARCHAR)) l FROM range(1000000) r(i)");
  EXPECT_TRUE(much.starts_with("sql.memory Out of Memory")) << much.substr(0, 200);
}

TEST(Query, TimeIsBounded) {
  int asked_times = 0;
  const auto db = make({.dir = "", .over = [&] { return ++asked_times > 20; }});
  EXPECT_EQ(asked(*db, "SELECT count(*) n FROM range(100000000000) a(i)"),
            "sql.time the query takes too long");
}

// Who asks is the watchdog alone: these would go on for ever inside one step.
TEST(Query, TimeIsBoundedWithinAStep) {
  static thread_local bool computes = false;
  computes = true;
  for (const std::string_view query : {
           "SELECT i FROM range(1000000000000000) r(i) WHERE i < 0",
           "SELECT i, [i] l FROM range(1000000000000000) r(i) WHERE i < 0",
           "SELECT count(*) n FROM range(100000000000) a(i), range(100000000000) b(j)"
           " WHERE (i * 31 + j) % 7 = 8",
           "SELECT max(sqrt(i + j)) m FROM range(1000000000) a(i), range(1000000000) b(j)",
           "WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT (i + 1) % 1000 FROM r)"
           " SELECT count(*) n FROM r WHERE i > 1000",
       }) {
    const auto db = make({.dir = "",
                          .over = [] { return !computes; },
                          .executor = &real_executor(),
                          .clock = &real_clock()});
    EXPECT_EQ(asked(*db, query), "sql.time the query takes too long") << query;
  }
  // Whoever isn't over isn't disturbed, and what ends before its time neither.
  const auto db = make({.dir = "",
                        .over = [] { return false; },
                        .executor = &real_executor(),
                        .clock = &real_clock()});
  EXPECT_EQ(asked(*db, "SELECT count(*) n FROM range(3000000) r(i)"), "n:int64|3000000");
}

TEST(Query, ManyRowsThereAndBack) {
  const auto db = make();
  const std::vector<Field> schema = {make_field("i", ColumnType::kInt64),
                                     make_field("s", ColumnType::kText)};
  Table t = codec::make_table(schema);
  for (int64_t i = 0; i < 10'001; ++i, ++t.rows) {
    t.columns[0].add_i64(i);
    i % 3 == 0 ? t.columns[1].add_null() : t.columns[1].add_text(std::to_string(i * i * i));
  }
  ASSERT_TRUE(db->create("T", schema).ok());
  EXPECT_EQ(db->create("t", schema).error().reason, "sql.table");
  ASSERT_TRUE(db->append("T", t).ok());
  const auto rows = db->select("FROM t");
  ASSERT_TRUE(rows.ok());
  int64_t n = 0;
  ASSERT_TRUE(db->create("meanwhile", schema).ok());
  ASSERT_TRUE(db->append("t", t).ok());  // What is read stays as it was.
  while (const std::optional<Table> batch = (*rows)->next().value())
    for (int64_t i = 0; i < batch->rows; ++i, ++n) {
      ASSERT_EQ(batch->columns[0].i64(i), n);
      ASSERT_EQ(batch->columns[1].is_null(i), n % 3 == 0);
      if (n % 3 != 0) {
        ASSERT_EQ(batch->columns[1].text(i), std::to_string(n * n * n));
      }
    }
  EXPECT_EQ(n, 10'001);
  Table narrow = codec::make_table({schema[0]});
  narrow.columns[0].add_i64(1);
  narrow.rows = 1;
  EXPECT_EQ(db->append("t", narrow).error().code, Code::kInvalid);
  EXPECT_FALSE(db->append("none", t).ok());
}

TEST(Query, Quoting) {
  EXPECT_EQ(quoted("a\"b"), "\"a\"\"b\"");
  EXPECT_EQ(quoted(""), "\"\"");
}

}  // namespace
}  // namespace slip::query
