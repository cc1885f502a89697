#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "codec/table.h"
#include "core/worker/frames.h"
#include "core/worker/worker.h"
#include "sys/clock.h"
#include "sys/log.h"
#include "sys/process.h"
#include "sys/sim/sim_executor.h"
#include "sys/sim/sim_net.h"

// Workers of the tests: tasks of the simulated executor that speak as worker.py does, and misbehave
// as the name of the function that they are asked for says.
namespace slip::worker::test {

inline std::string rows_of(const std::vector<int64_t>& values, std::string_view column = "x") {
  std::string out;
  const auto sink = codec::text_sink(&out);
  const std::vector<codec::Field> fields = {
      codec::make_field(std::string(column), codec::ColumnType::kInt64)};
  const auto writer = codec::make_table_writer(codec::Format::kArrow, fields, *sink).value();
  codec::Table table = codec::make_table(fields);
  for (const int64_t v : values) table.columns[0].add_i64(v);
  table.rows = static_cast<int64_t>(values.size());
  ignore(writer->write(table), "into memory");
  ignore(writer->finish(), "into memory");
  return out;
}

inline PythonFunction function_of(std::string name) {
  PythonFunction out;
  out.name = std::move(name);
  out.mode = PythonFunction::Mode::kPython;
  out.source = "def f(rows): ...";
  out.outputs = {{"x", "int64"}};
  return out;
}

class FakeChild final : public Child {
 public:
  int64_t pid() const override { return 1; }
  Result<Exit> wait(int64_t) override { return Exit{.code = 0, .signal = 11}; }
  Status signal(int) override { return {}; }
};

class FakeProcess final : public Process {
 public:
  explicit FakeProcess(sim::SimExecutor& executor)
      : executor_(executor), net_(executor, executor.seed()) {
    net_.listen("10.0.0.1", 1, [this](Conn& conn) { serve(conn); });
  }

  // What becomes of the nth process that is started, from 1 on; others serve.
  enum class Fate : uint8_t { kServes, kDiesUnread, kFailsToStart, kIsSilent, kIsDeaf };
  std::map<int64_t, Fate> fates;
  std::atomic<int64_t> started = 0;
  std::atomic<int64_t> defined = 0;
  sim::SimNet& net() { return net_; }

  Result<std::unique_ptr<Child>> spawn(const SpawnOptions&) override {
    return unsupported("test.spawn", "only workers");
  }
  Result<Connected> spawn_connected(const SpawnOptions& options) override {
    argv = options.argv;
    std::unique_ptr<Conn> conn = TRY(net_.dial({"10.0.0.1", 1}, INT64_MAX));
    return Connected{std::make_unique<FakeChild>(), std::move(conn),
                     [](size_t) { return std::string(); }};
  }
  std::string env(const std::string&) const override { return {}; }
  std::string working_dir() const override { return "/"; }
  int64_t resident_bytes() const override { return 0; }
  int64_t memory_limit_bytes() const override { return 0; }
  int cpu_count() const override { return 4; }

  std::vector<std::string> argv;

 private:
  using Json = codec::Json;
  static bool send(Conn& conn, Json head, std::string body = "") {
    return conn.write(encode_frame({std::move(head), std::move(body)}), INT64_MAX).ok();
  }

  void serve(Conn& conn) {
    const auto fate = fates.find(++started);
    const Fate mine = fate == fates.end() ? Fate::kServes : fate->second;
    FrameReader reader(1 << 20);
    if (mine == Fate::kFailsToStart) {
      send(conn, Json::object({{"jail", Json::array()}, {"failed", "no module pyarrow"}}));
      return;
    }
    if (mine == Fate::kIsSilent) {
      ignore(read_frame(conn, reader, INT64_MAX), "until it is ended");
      return;
    }
    send(conn, Json::object({{"jail", Json::array()}, {"python", "python3 3.11"}}));
    send(conn, Json::object({{"hello", 1}}));
    if (mine == Fate::kDiesUnread) return;
    if (mine == Fate::kIsDeaf) executor_.sleep_until(executor_.clock().steady_ns() + 99 * kSecond);
    std::map<std::string, std::string> names;
    while (true) {
      const Result<Frame> request = read_frame(conn, reader, INT64_MAX);
      if (!request.ok() || !answer(conn, *request, &names)) return;
    }
  }

  // False: this process is at its end.
  bool answer(Conn& conn, const Frame& request, std::map<std::string, std::string>* names) {
    const int64_t id = request.head.find("id")->as_int();
    const std::string digest = request.head.find("call")->as_string();
    std::string rows = request.body;
    if (const Json* sizes = request.head.find("define"); sizes != nullptr) {
      ++defined;
      size_t skip = 0;
      for (const Json& n : sizes->items()) skip += static_cast<size_t>(n.as_int());
      const auto facts = static_cast<size_t>(sizes->items()[0].as_int());
      (*names)[digest] = codec::parse_json(rows.substr(0, facts)).value().find("name")->as_string();
      rows.erase(0, skip);
    }
    const std::string name = (*names)[digest];
    send(conn, Json::object({{"id", id}, {"taken", true}}));
    Json head = Json::object({{"id", id}, {"defined", true}});
    const auto trouble = [&](std::string_view word) {
      head.set("error", Json::object({{"word", word}, {"text", "ZeroDivisionError: x"}}));
      return send(conn, head);
    };
    if (name == "die") return false;
    if (name == "hang") executor_.sleep_until(executor_.clock().steady_ns() + 100 * kSecond);
    if (name == "slow") executor_.sleep_until(executor_.clock().steady_ns() + 5 * kSecond);
    if (name == "raise") return trouble("failed");
    if (name == "memory") return trouble("memory");
    if (name == "strange") return trouble("whatever");
    if (name == "other_id") head.set("id", id + 1);
    if (name == "garbage") return conn.write("garbage, and more of it", INT64_MAX).ok();
    if (name == "fewer") return send(conn, head, rows_of({1}));
    if (name == "renamed") return send(conn, head, rows_of({1, 2, 3}, "y"));
    if (name == "no_table") return send(conn, head, "no table");
    if (name == "huge") return send(conn, head, std::string(2000, 'x'));
    return send(conn, head, rows);
  }

  static constexpr int64_t kSecond = 1'000'000'000;
  sim::SimExecutor& executor_;
  sim::SimNet net_;
};

inline Options test_options() {
  Options out;
  out.answer_bytes_max = 1500;
  return out;
}

// A pool in a simulated world; `body` is its first task.
struct PoolWorld {
  explicit PoolWorld(uint64_t seed, Options options = test_options())
      : executor(seed), options_(std::move(options)) {}

  template <class F>
  void run(F&& body) {
    executor.run([&] {
      process = std::make_unique<FakeProcess>(executor);
      pool = make_workers({*process, executor.clock(), executor, null_log()}, options_);
      body();
      pool.reset();
      process.reset();
    });
  }
  Result<std::string> call(const std::string& name, std::string_view project = "default",
                           int64_t within_s = 0) {
    Ctx ctx;
    ctx.project = {std::string(project)};
    if (within_s > 0) ctx.deadline_ns = executor.clock().steady_ns() + within_s * 1'000'000'000;
    return pool->call(ctx, function_of(name), rows_of({1, 2, 3}));
  }
  std::string reason(const std::string& name) {
    const Result<std::string> out = call(name);
    return out.ok() ? "ok" : out.error().reason;
  }
  int64_t now_s() { return executor.clock().steady_ns() / 1'000'000'000; }
  void wait_s(int64_t s) { executor.sleep_until(executor.clock().steady_ns() + s * 1'000'000'000); }

  sim::SimExecutor executor;
  std::unique_ptr<FakeProcess> process;
  std::unique_ptr<Workers> pool;

 private:
  Options options_;
};

}  // namespace slip::worker::test
