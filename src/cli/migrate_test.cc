#include "cli/migrate.h"

#include <gtest/gtest.h>

#include "base/text.h"
#include "cli/rest.h"
#include "store/db.h"
#include "sys/clock.h"
#include "sys/executor.h"
#include "sys/fs.h"
#include "sys/log.h"
#include "sys/rng.h"

namespace slip::cli {
namespace {

using codec::Json;

// A source that is refused before any server is asked.
class MigrateTest : public testing::Test {
 protected:
  MigrateTest()
      : dir_(testing::TempDir() + "slip-migrate-" + new_uuid7(real_clock(), real_rng()).hex()) {
    EXPECT_TRUE(real_fs().make_dirs(dir_).ok());
    add_migrate_commands(
        commands_,
        [this](const Call&) -> Result<std::unique_ptr<Remote>> {
          ++connected_;
          return unavailable("net.refused", "nobody is there");
        },
        real_fs());
  }
  ~MigrateTest() override { ignore(real_fs().remove_all(dir_), "a leftover"); }

  std::string database(const std::string& name, std::vector<std::string> statements) {
    std::string path = concat({dir_, "/", name});
    const store::World world{real_fs(), real_clock(), real_executor(), null_log()};
    const auto db = store::open_sqlite(world, path, {}).value();
    EXPECT_TRUE(db->write([&](store::Tx& tx) -> Status {
                    for (const std::string& sql : statements) TRY(tx.exec(sql, {}));
                    return {};
                  }).ok());
    return path;
  }
  int run(std::vector<std::string> words) {
    err_.clear();
    words.insert(words.begin(), {"migrate", "mlflow"});
    return commands_.run(words, terminal_);
  }

  const std::string dir_;
  std::string err_;
  int connected_ = 0;
  Terminal terminal_{[](std::string_view) {}, [this](std::string_view t) { err_ += t; }, false};
  Commands commands_{{{"json", "", "JSON"}}};
};

TEST_F(MigrateTest, SourcesThatAreNoStoreOfMlflow) {
  ASSERT_TRUE(write_file_atomic(real_fs(), dir_ + "/text", "no database at all").ok());
  const std::vector<std::string> tables = {
      "CREATE TABLE alembic_version (version_num TEXT)", "CREATE TABLE runs (run_uuid TEXT)",
      "CREATE TABLE workspaces (name TEXT)", "INSERT INTO workspaces (name) VALUES ('default')"};
  const auto with = [&](const char* version) {
    std::vector<std::string> out = tables;
    out.push_back(concat({"INSERT INTO alembic_version (version_num) VALUES ('", version, "')"}));
    return out;
  };
  struct Case {
    std::vector<std::string> words;
    const char* said;
    int exit;
  };
  const std::string good = database("newest", with("dc11669786a5"));
  const Case cases[] = {
      {{dir_ + "/none"}, "foreign.no_file", 3},
      {{dir_ + "/text"}, "foreign.not_sqlite", 2},
      {{"mysql://h/mlflow"}, "foreign.scheme", 0},
      {{database("empty", {"CREATE TABLE runs (run_uuid TEXT)"})}, "migrate.no_mlflow", 2},
      {{database("older", with("f5a4f2784254"))}, "mlflow db upgrade", 2},
      {{database("unversioned", tables)}, "migrate.schema", 2},
      {{good, "--workspace", "x"}, "migrate.workspace", 2},
      {{}, "SRC", 2},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.said);
    const int exit = run(c.words);
    EXPECT_NE(err_.find(c.said), err_.npos) << err_;
    EXPECT_NE(exit, 0);
    if (c.exit != 0) {
      EXPECT_EQ(exit, c.exit);
    }
  }
  EXPECT_EQ(connected_, 0);
  EXPECT_NE(run({good}), 0);
  EXPECT_EQ(connected_, 1);
}

TEST(Comparison, SaysWhatDiffersAndCountsIt) {
  Comparison c;
  c.compare("params", "run a", {{"lr", "0.1"}, {"n", "1"}}, {{"lr", "0.1"}, {"n", "1"}});
  EXPECT_EQ(c.differing(), 0);
  c.compare("params", "run b", {{"lr", "0.1"}, {"only", "x"}}, {{"lr", "0.2"}, {"more", "y"}});
  const Comparison::Kind& k = c.kinds().at("params");
  EXPECT_EQ(k.source, 4);
  EXPECT_EQ(k.server, 4);
  EXPECT_EQ(k.differing, 3);
  EXPECT_EQ(k.source_digests[0], k.server_digests[0]);
  EXPECT_NE(k.source_digests[1], k.server_digests[1]);
  EXPECT_EQ(c.differences()[0], "run b: params lr: source 0.1, server 0.2");
  EXPECT_EQ(c.differences()[1], "run b: params only is not on the server");
  EXPECT_EQ(c.differences()[2], "run b: params more is not in the source");
}

TEST(Comparison, DigestsTellWhereTextsBegin) {
  Comparison c;
  c.compare("tags", "run a", {{"ab", "c"}}, {{"a", "bc"}});
  EXPECT_EQ(c.differing(), 2);
  c.compare("tags", "run b", {{"a", ""}, {"b", ""}}, {{"a", "b"}});
  EXPECT_GT(c.differing(), 2);
}

TEST(Comparison, NormalTextDoesNotKnowOrder) {
  const Json a = codec::parse_json(R"({"a": {"x": 1, "y": [1.5, null]}, "b": null})").value();
  const Json b = codec::parse_json(R"({"a": {"y": [1.5, null], "x": 1}})").value();
  EXPECT_EQ(normal_text(a), normal_text(b));
  EXPECT_NE(normal_text(a), normal_text(codec::parse_json(R"({"a": {"x": 1.0}})").value()));
}

}  // namespace
}  // namespace slip::cli
