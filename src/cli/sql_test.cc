#include <gtest/gtest.h>

#include "cli/rest.h"
#include "sys/clock.h"
#include "sys/executor.h"
#include "sys/fs.h"
#include "sys/process.h"
#include "sys/sim/sim_fs.h"

namespace slip::cli {
namespace {

class SqlCommands : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(disk_.make_dirs("/w").ok());
    put("/w/orders.csv", "id,user,amount\n1,a,2.5\n2,b,4\n3,a,\n");
    put("/w/users.jsonl", "{\"name\": \"a\", \"tags\": [1, 2]}\n{\"name\": \"b\"}\n");
    const Machine machine{disk_, real_clock(), real_process(), real_executor()};
    add_sql_commands(commands_, machine);
    add_contract_commands(commands_, machine);
  }
  void put(const std::string& path, std::string_view text) {
    ASSERT_TRUE(write_file_atomic(disk_, path, text).ok());
  }
  int run(const std::vector<std::string>& words) {
    out_.clear();
    err_.clear();
    Terminal terminal{[this](std::string_view t) { out_ += t; },
                      [this](std::string_view t) { err_ += t; }};
    return commands_.run(words, terminal);
  }

  sim::SimFs disk_{1};
  Commands commands_{{{"json", "", "Print JSON."}}};
  std::string out_;
  std::string err_;
};

TEST_F(SqlCommands, FilesAreTables) {
  EXPECT_EQ(run({"sql",
                 "SELECT user, count(*) AS n, sum(amount) AS s FROM orders GROUP BY ALL "
                 "ORDER BY user",
                 "--table", "/w/orders.csv"}),
            0)
      << err_;
  EXPECT_EQ(out_, "a\t2\t2.5\nb\t1\t4\n");
  EXPECT_EQ(run({"sql", "FROM o JOIN users u ON u.name = o.user SELECT o.id, u.tags ORDER BY id",
                 "--table", "o=/w/orders.csv", "--table", "/w/users.jsonl", "--json"}),
            0)
      << err_;
  EXPECT_NE(out_.find("\"tags\":\"[1,2]\""), std::string::npos) << out_;
}

TEST_F(SqlCommands, RowsGoToAFile) {
  EXPECT_EQ(run({"sql", "FROM orders WHERE amount > 1", "--table", "/w/orders.csv", "--out",
                 "/w/out.jsonl"}),
            0)
      << err_;
  EXPECT_EQ(err_, "2 rows in /w/out.jsonl\n");
  EXPECT_EQ(read_file(disk_, "/w/out.jsonl", 1000).value(),
            "{\"id\":1,\"user\":\"a\",\"amount\":2.5}\n{\"id\":2,\"user\":\"b\",\"amount\":4.0}\n");
}

TEST_F(SqlCommands, WhatIsWrong) {
  const std::pair<std::vector<std::string>, std::string_view> rows[] = {
      {{"sql", "SELECT x FROM orders", "--table", "/w/orders.csv"}, "Referenced column \"x\""},
      {{"sql", "SELECT 1", "--table", "/w/none.csv"}, "/w/none.csv"},
      {{"sql", "SELECT 1", "--table", "/w/orders.txt"}, "format"},
      {{"sql", "SELECT 1", "--out", "/w/out.txt"}, "format"},
      {{"sql", "SELECT 1", "--memory", "much"}, "--memory"},
      {{"sql", "SELECT * FROM read_csv('/etc/passwd')"}, "disabled"},
      {{"sql", "SELECT 1 a", "--table", "/w/orders.csv", "--table", "/w/orders.csv"}, "orders"},
  };
  for (const auto& [words, want] : rows) {
    EXPECT_NE(run(words), 0) << words[1];
    EXPECT_NE(err_.find(want), std::string::npos) << err_;
  }
}

TEST_F(SqlCommands, ContractsAskInSql) {
  put("/w/c.yaml",
      "apiVersion: v3.1.0\nkind: DataContract\nid: c\nversion: 1.0.0\nstatus: active\nschema:\n"
      "  - name: orders\n    quality:\n"
      "      - {type: sql, query: 'SELECT count(DISTINCT user) FROM {object}', mustBe: 2}\n"
      "    properties:\n      - name: amount\n        logicalType: number\n        quality:\n"
      "          - {type: sql, query: 'SELECT max({property}) FROM {object}', mustBeLessThan: "
      "4}\n");
  EXPECT_EQ(run({"contract", "check", "/w/c.yaml", "/w/orders.csv"}), kExitGate) << out_ << err_;
  EXPECT_NE(out_.find("3 checks passed, 2 failed"), std::string::npos) << out_;
}

}  // namespace
}  // namespace slip::cli
