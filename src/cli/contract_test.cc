#include "cli/contract.h"

#include <gtest/gtest.h>

#include "cli/rest.h"
#include "sys/clock.h"
#include "sys/executor.h"
#include "sys/process.h"
#include "sys/sim/sim_fs.h"

namespace slip::cli {
namespace {

constexpr const char* kContract =
    "apiVersion: v3.1.0\nkind: DataContract\nid: shop\nversion: 1.0.0\nstatus: active\n"
    "slaProperties: [{property: latency, value: 1, unit: d, element: orders.at}]\n"
    "schema:\n"
    "  - name: orders\n    properties:\n"
    "      - {name: id, logicalType: integer, required: true, unique: true}\n"
    "      - {name: code, logicalType: string, logicalTypeOptions: {pattern: '^0'}}\n"
    "      - {name: user, logicalType: integer, relationships: [{to: users.id}]}\n"
    "      - {name: at, logicalType: timestamp}\n"
    "  - name: users\n    properties:\n      - {name: id, logicalType: integer, primaryKey: "
    "true}\n";

class ContractCommands : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(disk_.make_dirs("/w").ok());
    put("/w/c.yaml", kContract);
    put("/w/orders.csv", "id,code,user,at\n1,007,1,2026-01-01\n2,008,2,2026-01-02T00:00:00Z\n");
    put("/w/users.jsonl", "{\"id\": 1}\n{\"id\": 2}\n");
    add_contract_commands(commands_, {disk_, real_clock(), real_process(), real_executor()});
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

TEST_F(ContractCommands, Check) {
  const std::vector<std::string> good = {"contract",  "check",
                                         "/w/c.yaml", "/w/orders.csv",
                                         "--now",     "2026-01-02T12:00:00Z",
                                         "--with",    "users=/w/users.jsonl"};
  EXPECT_EQ(run(good), 0) << out_ << err_;
  EXPECT_NE(out_.find("orders: 2 rows"), std::string::npos) << out_;
  std::vector<std::string> late = good;
  late[5] = "2026-02-01";
  EXPECT_EQ(run(late), 6);
  EXPECT_NE(out_.find("latency"), std::string::npos) << out_;

  put("/w/orders.csv", "id,code,user,at\n1,007,1,2026-01-01\n1,18,9,2026-01-02\nx,,,\n");
  std::vector<std::string> json = good;
  json.push_back("--json");
  EXPECT_EQ(run(json), 6);
  const codec::Json report = codec::parse_json(out_).value();
  EXPECT_FALSE(report.find("ok")->as_bool());
  EXPECT_EQ(report.find("rows")->as_int(), 3);
  std::string failed;
  for (const codec::Json& c : report.find("checks")->items())
    if (c.find("verdict")->as_string() == "failed")
      failed += c.find("property")->as_string() + "." + c.find("check")->as_string() + " ";
  EXPECT_EQ(failed, "id.logicalType id.unique code.pattern user.relationship ");

  EXPECT_EQ(run({"contract", "check", "/w/c.yaml", "/w/users.jsonl"}), 0) << out_;
  EXPECT_EQ(run({"contract", "check", "/w/c.yaml"}), 0);
}

TEST_F(ContractCommands, WhatIsNoUse) {
  struct Case {
    std::vector<std::string> words;
    int code;
    const char* reason;
  };
  put("/w/bad.yaml",
      "apiVersion: v3.1.0\nkind: DataContract\nid: x\nversion: '1'\nstatus: a\nfoo: 1\n");
  const Case cases[] = {
      {{"contract", "check"}, 2, "usage.argument_missing"},
      {{"contract", "check", "/w/c.yaml", "/w/x.txt"}, 2, "usage.format"},
      {{"contract", "check", "/w/c.yaml", "/w/orders.csv", "--schema", "nope"},
       2,
       "contract.object"},
      {{"contract", "check", "/w/c.yaml", "/w/orders.csv", "--now", "noon"}, 2, "usage.time"},
      {{"contract", "check", "/w/c.yaml", "/w/orders.csv", "--with", "x=y"}, 2, "usage.with"},
      {{"contract", "check", "/w/bad.yaml", "/w/orders.csv"}, 2, "contract.unknown_key"},
      {{"contract", "diff", "/w/c.yaml", "/w/c.yaml", "--mode", "up"}, 2, "contract.mode"},
      {{"contract", "diff", "/w/c.yaml"}, 2, "usage.argument_missing"},
      {{"contract", "import", "soda", "/w/c.yaml"}, 2, "usage.tool"},
      {{"contract", "import", "ge", "/w/c.yaml"}, 2, "json.syntax"},
  };
  for (const Case& c : cases) {
    const int code = run(c.words);
    EXPECT_NE(err_.find(c.reason), std::string::npos) << err_ << out_;
    EXPECT_EQ(code, c.code) << err_;
  }
  run({"contract", "check", "/w/bad.yaml"});
  EXPECT_NE(err_.find("line 6, /foo"), std::string::npos) << err_;
}

TEST_F(ContractCommands, InferThenCheck) {
  EXPECT_EQ(run({"contract", "infer", "/w/orders.csv", "-o", "/w/i.yaml"}), 0) << err_;
  EXPECT_EQ(run({"contract", "check", "/w/i.yaml", "/w/orders.csv"}), 0) << out_ << err_;
  put("/w/orders.csv", "id,code,user,at\n1,007,1,never\n");
  EXPECT_EQ(run({"contract", "check", "/w/i.yaml", "/w/orders.csv"}), 6) << out_;
}

TEST_F(ContractCommands, Diff) {
  std::string next = kContract;
  next.replace(next.find("required: true, "), 16, "");
  put("/w/n.yaml", next);
  EXPECT_EQ(run({"contract", "diff", "/w/c.yaml", "/w/c.yaml"}), 0) << out_;
  EXPECT_EQ(run({"contract", "diff", "/w/c.yaml", "/w/n.yaml"}), 6);
  EXPECT_EQ(run({"contract", "diff", "/w/c.yaml", "/w/n.yaml", "--mode", "BACKWARD"}), 0);
  EXPECT_EQ(run({"contract", "diff", "/w/n.yaml", "/w/c.yaml", "--mode", "BACKWARD"}), 6);
  const std::vector<std::string> all = {"contract",  "diff",      "/w/c.yaml", "/w/c.yaml",
                                        "--earlier", "/w/n.yaml", "--json",    "--mode"};
  std::vector<std::string> transitive = all;
  transitive.push_back("BACKWARD_TRANSITIVE");
  EXPECT_EQ(run(transitive), 6);
  EXPECT_NE(out_.find("\"required_set\""), std::string::npos) << out_;
  transitive.back() = "BACKWARD";
  EXPECT_EQ(run(transitive), 2);
  put("/w/r.yaml", "orders.user: [fraud]\n");
  EXPECT_EQ(run({"contract", "diff", "/w/c.yaml", "/w/n.yaml", "--readers", "/w/r.yaml"}), 0)
      << out_;
  put("/w/r.yaml", "orders.id: [fraud]\n");
  EXPECT_EQ(run({"contract", "diff", "/w/c.yaml", "/w/n.yaml", "--readers", "/w/r.yaml"}), 6)
      << out_;
}

TEST_F(ContractCommands, Import) {
  put("/w/s.yml", "models: [{name: m, columns: [{name: a, tests: [unique, mine]}]}]\n");
  EXPECT_EQ(run({"contract", "import", "dbt", "/w/s.yml", "-o", "/w/o.yaml"}), 0) << err_;
  EXPECT_NE(err_.find("left: m.a  mine"), std::string::npos) << err_;
  EXPECT_EQ(run({"contract", "check", "/w/o.yaml"}), 0) << err_;
  EXPECT_EQ(run({"contract", "import", "dbt", "/w/s.yml", "--strict"}), 6);
}

}  // namespace
}  // namespace slip::cli
