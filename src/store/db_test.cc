#include "store/db.h"

#include <atomic>
#include <bit>
#include <cmath>
#include <limits>
#include <map>

#include <gtest/gtest.h>

#include "store/sql.h"
#include "sys/executor.h"
#include "sys/sync.h"
#include "test/gen/dice.h"
#include "test/store/dbs.h"

namespace slip::store {
namespace {

constexpr Migration kSteps[] = {
    {"conformance", 1,
     "CREATE TABLE item (project TEXT NOT NULL, name TEXT NOT NULL, n BIGINT, x DOUBLE PRECISION, "
     "body BYTEA, PRIMARY KEY (project, name)); -- a comment; with a semicolon\n"
     "CREATE INDEX item_n ON item (project, n)"},
    {"conformance", 2,
     "CREATE TABLE part (project TEXT NOT NULL, item TEXT NOT NULL, id BIGINT NOT NULL CHECK (id > "
     "0), PRIMARY KEY (project, item, id), FOREIGN KEY (project, item) REFERENCES item (project, "
     "name) ON DELETE CASCADE)"},
    {"conformance_b", 1, "ALTER TABLE item ADD COLUMN note TEXT NOT NULL DEFAULT 'none'"},
};

class DbConformance : public test::DbTest {
 protected:
  void SetUp() override { migrated(kSteps); }

  Status put(std::string_view name, Value n, Value x = nullptr, Value body = nullptr) {
    return db().write([&](Tx& tx) -> Status {
      TRY(tx.exec("INSERT INTO item (project, name, n, x, body) VALUES ('p', ?, ?, ?, ?)",
                  {name, n, x, body}));
      return {};
    });
  }
  int64_t count(std::string_view where = "1 = 1") {
    int64_t n = -1;
    const Status s = db().read([&](Tx& tx) {
      return tx.each("SELECT count(*) FROM item WHERE " + std::string(where), {},
                     [&](const Row& row) { n = row.i64(0); });
    });
    EXPECT_TRUE(s.ok()) << s.error().text;
    return n;
  }
  std::vector<std::string> names(const std::string& sql, std::vector<Value> args) {
    std::vector<std::string> out;
    const Status s = db().read([&](Tx& tx) {
      out.clear();
      return tx.each(sql, args, [&](const Row& row) { out.push_back(row.str(0)); });
    });
    EXPECT_TRUE(s.ok()) << s.error().text;
    return out;
  }
};
SLIP_EVERY_DB(DbConformance);

TEST_P(DbConformance, KeepsEveryValueExactly) {
  const std::string bytes("\0\x01\xff'\\x00", 8);
  const int64_t ints[] = {0, -1, std::numeric_limits<int64_t>::min(),
                          std::numeric_limits<int64_t>::max()};
  const double reals[] = {
      0.0, 0.1, 1e300, 5e-324, -1.5, std::numeric_limits<double>::max(), std::nextafter(1.0, 2.0)};
  for (size_t i = 0; i < std::size(reals); ++i) {
    SCOPED_TRACE(i);
    const std::string name = "n" + std::to_string(i) + " é \xf0\x9f\x9a\xa2 '\" \\ ? %";
    const int64_t n = ints[i % std::size(ints)];
    ASSERT_TRUE(put(name, n, reals[i], Blob{bytes}).ok());
    const Status s = db().read([&](Tx& tx) -> Status {
      const bool found = TRY(tx.first(
          "SELECT name, n, x, body, note FROM item WHERE name = ?", {name}, [&](const Row& row) {
            EXPECT_EQ(row.text(0), name);
            EXPECT_EQ(row.i64(1), n);
            EXPECT_EQ(std::bit_cast<uint64_t>(row.f64(2)), std::bit_cast<uint64_t>(reals[i]));
            EXPECT_EQ(row.blob(3), bytes);
            EXPECT_EQ(row.text(4), "none");
            EXPECT_FALSE(row.is_null(1));
          }));
      EXPECT_TRUE(found);
      return {};
    });
    EXPECT_TRUE(s.ok()) << s.error().text;
  }
}

TEST_P(DbConformance, NullReadsAsNothing) {
  ASSERT_TRUE(put("null", maybe(std::optional<int64_t>())).ok());
  const Status s = db().read([&](Tx& tx) -> Status {
    return tx.each("SELECT n, x, body FROM item", {}, [](const Row& row) {
      for (int c = 0; c < 3; ++c) EXPECT_TRUE(row.is_null(c));
      EXPECT_EQ(row.i64(0), 0);
      EXPECT_EQ(row.f64(1), 0);
      EXPECT_EQ(row.blob(2), "");
      EXPECT_EQ(row.text(2), "");
    });
  });
  EXPECT_TRUE(s.ok()) << s.error().text;
}

TEST_P(DbConformance, RefusesValuesThatOneDatabaseCannotHold) {
  const struct {
    Value value;
    const char* reason;
  } kRows[] = {{std::numeric_limits<double>::quiet_NaN(), "store.not_finite"},
               {-std::numeric_limits<double>::infinity(), "store.not_finite"},
               {std::string_view("a\0b", 3), "store.text"},
               {std::string_view("\xff"), "store.text"}};
  for (const auto& row : kRows) {
    SCOPED_TRACE(row.reason);
    const Status s = db().write([&](Tx& tx) -> Status {
      TRY(tx.exec("UPDATE item SET note = ?", {row.value}));
      return {};
    });
    ASSERT_FALSE(s.ok());
    EXPECT_EQ(s.error().code, Code::kInvalid);
    EXPECT_EQ(s.error().reason, row.reason);
  }
}

TEST_P(DbConformance, NamesViolatedConstraints) {
  ASSERT_TRUE(put("a", int64_t{1}).ok());
  const struct {
    const char* sql;
    Code code;
  } kRows[] = {
      {"INSERT INTO item (project, name) VALUES ('p', 'a')", Code::kExists},
      {"INSERT INTO part (project, item, id) VALUES ('p', 'missing', 1)", Code::kConflict},
      {"INSERT INTO part (project, item, id) VALUES ('p', 'a', 0)", Code::kConflict},
      {"INSERT INTO item (project, name) VALUES ('p', NULL)", Code::kConflict},
  };
  for (const auto& row : kRows) {
    SCOPED_TRACE(row.sql);
    const Status s = db().write([&](Tx& tx) -> Status {
      TRY(tx.exec(row.sql, {}));
      return {};
    });
    ASSERT_FALSE(s.ok());
    EXPECT_EQ(s.error().code, row.code) << s.error().text;
    EXPECT_EQ(s.error().reason, "store.constraint");
  }
  EXPECT_EQ(count(), 1);
}

TEST_P(DbConformance, CountsChangedRowsAndCascades) {
  ASSERT_TRUE(put("a", int64_t{1}).ok());
  ASSERT_TRUE(put("b", int64_t{1}).ok());
  const Status s = db().write([&](Tx& tx) -> Status {
    EXPECT_EQ(TRY(tx.exec("UPDATE item SET n = n + ? WHERE n = 1", {int64_t{1}})), 2);
    EXPECT_EQ(TRY(tx.exec("UPDATE item SET n = 0 WHERE n = 7", {})), 0);
    EXPECT_EQ(TRY(tx.exec("INSERT INTO part (project, item, id) VALUES ('p', 'a', 1), "
                          "('p', 'a', 2) ON CONFLICT DO NOTHING",
                          {})),
              2);
    EXPECT_EQ(TRY(tx.exec("INSERT INTO part (project, item, id) VALUES ('p', 'a', 1) "
                          "ON CONFLICT DO NOTHING",
                          {})),
              0);
    EXPECT_EQ(TRY(tx.exec("DELETE FROM item WHERE name = 'a'", {})), 1);
    int64_t parts = -1;
    TRY(tx.each("SELECT count(*) FROM part", {}, [&](const Row& row) { parts = row.i64(0); }));
    EXPECT_EQ(parts, 0);
    return {};
  });
  EXPECT_TRUE(s.ok()) << s.error().text;
}

TEST_P(DbConformance, UpsertsAndReturnsRows) {
  for (const int64_t want : {5, 12}) {
    int64_t n = 0;
    bool found = false;
    const Status s = db().write([&](Tx& tx) -> Status {
      found = TRY(
          tx.first("INSERT INTO item (project, name, n) VALUES ('p', 'u', ?) ON CONFLICT "
                   "(project, name) DO UPDATE SET n = item.n + excluded.n RETURNING n",
                   {want == 5 ? int64_t{5} : int64_t{7}}, [&](const Row& row) { n = row.i64(0); }));
      return {};
    });
    ASSERT_TRUE(s.ok()) << s.error().text;
    EXPECT_TRUE(found);
    EXPECT_EQ(n, want);
  }
}

TEST_P(DbConformance, AggregatesReadAsNumbers) {
  for (int64_t i = 1; i <= 4; ++i)
    ASSERT_TRUE(put("i" + std::to_string(i), i, 0.5 * static_cast<double>(i)).ok());
  const Status s = db().read([&](Tx& tx) {
    return tx.each(
        "WITH w AS (SELECT n, x, row_number() OVER (ORDER BY n DESC) AS r FROM item) "
        "SELECT sum(n), sum(x), max(r), min(x), sum(n) > 3, avg(x) FROM w",
        {}, [](const Row& row) {
          EXPECT_EQ(row.i64(0), 10);
          EXPECT_EQ(row.f64(0), 10.0);
          EXPECT_EQ(row.f64(1), 5.0);
          EXPECT_EQ(row.i64(2), 4);
          EXPECT_EQ(row.f64(3), 0.5);
          EXPECT_EQ(row.i64(4), 1);
          EXPECT_EQ(row.f64(5), 1.25);
        });
  });
  EXPECT_TRUE(s.ok()) << s.error().text;
}

TEST_P(DbConformance, TextComparesBytewise) {
  const std::vector<std::string> sorted = {"A-", "A_", "B", "a", "aa", "b", "é"};
  for (const std::string& name : sorted) ASSERT_TRUE(put(name, int64_t{1}).ok());
  EXPECT_EQ(names("SELECT name FROM item ORDER BY project, name", {}), sorted);
  EXPECT_EQ(names("SELECT name FROM item WHERE name > ? ORDER BY name LIMIT ?",
                  {Value("B"), Value(int64_t{2})}),
            (std::vector<std::string>{"a", "aa"}));
  EXPECT_EQ(names("SELECT name FROM item WHERE lower(name) = 'a' ORDER BY name", {}),
            (std::vector<std::string>{"a"}));
}

TEST_P(DbConformance, PatternsMeanTheSame) {
  for (const char* name : {"Model_1", "model_1", "modelX1", "100%", "a\\b", "É"})
    ASSERT_TRUE(put(name, int64_t{1}).ok());
  const struct {
    bool fold;
    std::string pattern;
    std::vector<std::string> want;
  } kRows[] = {
      {false, like_pattern("model%"), {"modelX1", "model_1"}},
      {true, ilike_pattern("MODEL%"), {"Model_1", "modelX1", "model_1"}},
      {false, prefix_pattern("model_"), {"model_1"}},
      {false, like_pattern("a\\b"), {"a\\b"}},
      {false, prefix_pattern("100%"), {"100%"}},
      {true, ilike_pattern("é"), {}},
      {false, like_pattern("_"), {"É"}},
  };
  for (const auto& row : kRows) {
    SCOPED_TRACE(row.pattern);
    const std::string where = row.fold ? ilike("name") : like_case("name");
    EXPECT_EQ(names("SELECT name FROM item WHERE " + where + " ORDER BY name",
                    {Value(std::string_view(row.pattern))}),
              row.want);
  }
}

TEST_P(DbConformance, FailedBodyLeavesNothing) {
  const Status refused = db().write([&](Tx& tx) -> Status {
    TRY(tx.exec("INSERT INTO item (project, name) VALUES ('p', 'gone')", {}));
    return invalid("test.no", "no");
  });
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().reason, "test.no");
  EXPECT_EQ(count(), 0);
}

TEST_P(DbConformance, FailedStatementDoomsTheBody) {
  ASSERT_TRUE(put("a", int64_t{1}).ok());
  const Status s = db().write([&](Tx& tx) -> Status {
    TRY(tx.exec("INSERT INTO item (project, name) VALUES ('p', 'b')", {}));
    EXPECT_FALSE(tx.exec("INSERT INTO item (project, name) VALUES ('p', 'a')", {}).ok());
    const auto later = tx.exec("INSERT INTO item (project, name) VALUES ('p', 'c')", {});
    EXPECT_FALSE(later.ok());
    return {};  // Passes over the error.
  });
  ASSERT_FALSE(s.ok());
  EXPECT_EQ(s.error().reason, "store.constraint");
  EXPECT_EQ(count(), 1);
}

TEST_P(DbConformance, BadStatementsAreOurBugs) {
  const char* const kSql[] = {"SELEC 1", "SELECT nothing FROM item", "SELECT 1 FROM nowhere", "",
                              "DELETE FROM item; DELETE FROM part"};
  for (const char* sql : kSql) {
    SCOPED_TRACE(sql);
    const Status s = db().write([&](Tx& tx) -> Status {
      TRY(tx.exec(sql, {}));
      return {};
    });
    ASSERT_FALSE(s.ok());
    EXPECT_EQ(s.error().code, Code::kInternal);
    EXPECT_EQ(s.error().reason, "store.sql");
  }
  const Status arguments = db().write([&](Tx& tx) -> Status {
    TRY(tx.exec("UPDATE item SET n = ?", {}));
    return {};
  });
  ASSERT_FALSE(arguments.ok());
  EXPECT_EQ(arguments.error().reason, "store.sql");
}

TEST_P(DbConformance, ReadsDontWrite) {
  const Status s = db().read([&](Tx& tx) -> Status {
    TRY(tx.exec("DELETE FROM item", {}));
    return {};
  });
  ASSERT_FALSE(s.ok());
  EXPECT_EQ(s.error().reason, "store.write_in_read");
  EXPECT_TRUE(put("still works", int64_t{1}).ok());
}

TEST_P(DbConformance, BodiesDontNest) {
  const auto nothing = [](Tx&) -> Status { return {}; };
  std::vector<std::string> reasons;
  const auto note = [&](const Status& s) { reasons.push_back(s.ok() ? "ok" : s.error().reason); };
  ASSERT_TRUE(db().write([&](Tx&) -> Status {
                    reasons.clear();
                    note(db().write(nothing));
                    note(db().read(nothing));
                    return {};
                  })
                  .ok());
  ASSERT_TRUE(db().read([&](Tx&) -> Status {
                    note(db().write(nothing));
                    note(db().read(nothing));
                    return {};
                  })
                  .ok());
  EXPECT_EQ(reasons, std::vector<std::string>(4, "store.nested"));
}

TEST_P(DbConformance, StatementInsideItsOwnRows) {
  for (const char* name : {"a", "b"}) ASSERT_TRUE(put(name, int64_t{1}).ok());
  int64_t seen = 0;
  const Status s = db().read([&](Tx& tx) -> Status {
    const char* sql = "SELECT name FROM item ORDER BY name";
    Status inner;
    TRY(tx.each(sql, {}, [&](const Row&) {
      Status one = tx.each(sql, {}, [&](const Row&) { ++seen; });
      if (!one.ok()) inner = one;
    }));
    return inner;
  });
  EXPECT_TRUE(s.ok()) << s.error().text;
  EXPECT_EQ(seen, 4);
}

TEST_P(DbConformance, RefusesTooManyRows) {
  const auto insert = [&](int64_t rows) {
    return db().write([&](Tx& tx) -> Status {
      for (int64_t done = 0; done < rows; done += 500) {
        std::vector<std::string> keep;
        std::vector<Value> args;
        const int64_t n = std::min<int64_t>(500, rows - done);
        for (int64_t i = 0; i < n; ++i) keep.push_back("r" + std::to_string(done + i));
        for (const std::string& name : keep) {
          args.emplace_back("p");
          args.emplace_back(std::string_view(name));
        }
        TRY(tx.exec(
            "INSERT INTO item (project, name) VALUES " + value_rows(static_cast<size_t>(n), 2),
            args));
      }
      return {};
    });
  };
  const Status over = insert(kWriteRowsRefused + 1);
  ASSERT_FALSE(over.ok());
  EXPECT_EQ(over.error().reason, "store.too_many_rows");
  EXPECT_EQ(count(), 0);
  EXPECT_TRUE(insert(kWriteRowsRefused).ok());
  EXPECT_EQ(count(), kWriteRowsRefused);
}

// Read, add, write back: no update may be lost, whoever else does the same.
TEST_P(DbConformance, LosesNoUpdate) {
  constexpr int64_t kTasks = 4;
  constexpr int64_t kRounds = 20;
  ASSERT_TRUE(put("counter", int64_t{0}).ok());
  const auto increment = [](Tx& tx) -> Status {
    int64_t n = 0;
    TRY(tx.each("SELECT n FROM item WHERE name = 'counter'", {},
                [&](const Row& row) { n = row.i64(0); }));
    TRY(tx.exec("UPDATE item SET n = ? WHERE name = 'counter'", {n + 1}));
    return {};
  };
  std::vector<std::unique_ptr<Task>> tasks;
  std::atomic<int64_t> acknowledged = 0;
  for (int64_t t = 0; t < kTasks; ++t)
    tasks.push_back(real_executor().spawn("increment", [&] {
      for (int64_t i = 0; i < kRounds; ++i) {
        const Status s = db().write(increment);
        if (s.ok()) ++acknowledged;
        if (!s.ok()) {
          EXPECT_EQ(s.error().reason, "store.serialization");
        }
      }
    }));
  tasks.clear();
  EXPECT_GE(acknowledged, kTasks * kRounds / 2);
  EXPECT_EQ(count("n = " + std::to_string(acknowledged)), 1);
  EXPECT_GE(db().stats().writes, acknowledged);
}

// What was submitted commits without anybody waiting; one that fails leaves nothing, and its
// neighbours stay.
TEST_P(DbConformance, SubmittedWritesTellTheirOutcome) {
  constexpr int kWrites = 200;
  sys::Mutex mutex;
  sys::CondVar told;
  std::map<int, std::string> outcome;
  for (int i = 0; i < kWrites; ++i)
    db().submit(
        [i](Tx& tx) -> Status {
          TRY(tx.exec("INSERT INTO item (project, name, n) VALUES ('p', ?, ?)",
                      {std::to_string(i / 2), int64_t{i}}));
          if (i % 10 == 0) return conflict("test.refused", "no");
          return {};
        },
        [&, i](const Status& s) {
          const sys::Lock lock(mutex);
          outcome[i] = s.ok() ? "" : s.error().reason;
          told.notify_one();
        });
  sys::Lock lock(mutex);
  while (outcome.size() < kWrites) told.wait(lock);
  lock.unlock();
  int64_t kept = 0;
  for (int i = 0; i < kWrites; ++i) {
    if (i % 10 == 0) {
      EXPECT_NE(outcome[i], "");  // Refused, or its neighbour's key was there first.
    }
    kept += outcome[i].empty() ? 1 : 0;
  }
  EXPECT_EQ(kept, kWrites / 2);  // One of each pair: the other's key was taken, or it was refused.
  EXPECT_EQ(count(), kept);
}

TEST_P(DbConformance, ReadersSeeWholeTransactions) {
  ASSERT_TRUE(put("pair", int64_t{0}, 0.0).ok());
  std::atomic<bool> done = false;
  auto writer = real_executor().spawn("writer", [&] {
    for (int64_t i = 1; i <= 30; ++i) {
      const Status s = db().write([&](Tx& tx) -> Status {
        TRY(tx.exec("UPDATE item SET n = ?", {i}));
        TRY(tx.exec("UPDATE item SET x = ?", {static_cast<double>(i)}));
        return {};
      });
      EXPECT_TRUE(s.ok()) << s.error().text;
    }
    done = true;
  });
  while (!done) {
    const Status s = db().read([&](Tx& tx) -> Status {
      int64_t n = -1;
      TRY(tx.each("SELECT n FROM item", {}, [&](const Row& row) { n = row.i64(0); }));
      return tx.each("SELECT x FROM item", {},
                     [&](const Row& row) { EXPECT_EQ(row.f64(0), static_cast<double>(n)); });
    });
    EXPECT_TRUE(s.ok()) << s.error().text;
  }
}

TEST_P(DbConformance, KeepsWhatWasAcknowledged) {
  ASSERT_TRUE(put("a", int64_t{1}).ok());
  reopen();
  EXPECT_EQ(count(), 1);
}

using Map = std::map<std::string, int64_t>;

// One random body, on the database and on `next`.
Status play(Tx& tx, gen::Dice dice, Map* next) {
  for (uint64_t i = dice.below(6); i > 0; --i) {
    const std::string name = "k" + std::to_string(dice.below(8));
    const auto n = static_cast<int64_t>(dice.below(100));
    if (dice.one_in(3)) {
      const int64_t gone = TRY(tx.exec("DELETE FROM item WHERE name = ?", {name}));
      EXPECT_EQ(gone, static_cast<int64_t>(next->erase(name)));
      continue;
    }
    TRY(
        tx.exec("INSERT INTO item (project, name, n) VALUES ('p', ?, ?) ON CONFLICT (project, "
                "name) DO UPDATE SET n = excluded.n",
                {name, n}));
    (*next)[name] = n;
  }
  if (dice.one_in(4)) return invalid("test.abandon", "abandoned");
  return {};
}

// Whatever was acknowledged, and nothing else, is there.
TEST_P(DbConformance, AgreesWithAMap) {
  Map want;
  for (uint64_t seed = 1; seed <= 150; ++seed) {
    SCOPED_TRACE(seed);
    Map next;
    const Status s = db().write([&](Tx& tx) {
      next = want;
      return play(tx, gen::Dice::seeded(seed), &next);
    });
    if (s.ok()) want = next;
    if (!s.ok()) {
      EXPECT_EQ(s.error().reason, "test.abandon") << s.error().text;
    }
  }
  Map have;
  const Status s = db().read([&](Tx& tx) {
    return tx.each("SELECT name, n FROM item", {},
                   [&](const Row& row) { have[row.str(0)] = row.i64(1); });
  });
  EXPECT_TRUE(s.ok());
  EXPECT_EQ(have, want);
  EXPECT_GT(want.size(), 2U);
}

// What only a server can do to its clients.
class PgConformance : public test::DbTest {
 protected:
  // Runs `sql` for its effect.
  static Status call(Db& on, const std::string& sql) {
    return on.write([&](Tx& tx) { return tx.each(sql, {}, [](const Row&) {}); });
  }
};
INSTANTIATE_TEST_SUITE_P(Db, PgConformance, testing::ValuesIn(test::db_kinds("postgres")),
                         [](const auto& made) { return made.param; });
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(PgConformance);

TEST_P(PgConformance, ReconnectsWhenTheServerHungUp) {
  migrated(kSteps);
  Db& other = another();
  const char* const kHangUp =
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND "
      "application_name = 'slipway'";
  for (int round = 0; round < 3; ++round) {
    ASSERT_TRUE(call(other, kHangUp).ok());
    const Status written = call(db(), "INSERT INTO item (project, name, n) VALUES ('p', 'x" +
                                          std::to_string(round) + "', 1)");
    EXPECT_TRUE(written.ok()) << written.error().text;
    ASSERT_TRUE(call(other, kHangUp).ok());
    const Status read =
        db().read([](Tx& tx) { return tx.each("SELECT name FROM item", {}, [](const Row&) {}); });
    EXPECT_TRUE(read.ok()) << read.error().text;
  }
}

TEST_P(PgConformance, TriesAgainWhenCutOffInABody) {
  migrated(kSteps);
  int runs = 0;
  const Status s = db().write([&](Tx& tx) -> Status {
    TRY(tx.exec("INSERT INTO item (project, name, n) VALUES ('p', 'once', 1)", {}));
    if (++runs == 1)
      TRY(tx.each("SELECT pg_terminate_backend(pg_backend_pid())", {}, [](const Row&) {}));
    return {};
  });
  EXPECT_TRUE(s.ok()) << s.error().text;
  EXPECT_EQ(runs, 2);
  EXPECT_EQ(db().stats().replays, 1);
}

TEST_P(PgConformance, PlansGoStaleUnseen) {
  migrated(kSteps);
  const auto all = [&] {
    return db().read([](Tx& tx) { return tx.each("SELECT * FROM item", {}, [](const Row&) {}); });
  };
  ASSERT_TRUE(all().ok());
  ASSERT_TRUE(call(db(), "ALTER TABLE item ADD COLUMN later BIGINT").ok());
  const Status s = all();
  EXPECT_TRUE(s.ok()) << s.error().text;
}

}  // namespace
}  // namespace slip::store
