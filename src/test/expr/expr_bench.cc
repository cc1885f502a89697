#include "engine/expr/expr.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "base/text.h"
#include "codec/json.h"
#include "sys/clock.h"
#include "sys/fs.h"

// expr_bench FOLDER: ns an expression of one row, and simple operations a second in blocks of 1,024
// rows. Writes FOLDER/result.json; bench/expr.py builds, runs and prints.
namespace slip::engine::expr {
namespace {

struct Work {
  std::string_view name;
  std::string_view text;
  int operations;  // Simple ones, a row.
};

constexpr Work kWork[] = {
    {"ratio", "coalesce(x / nullif(y, 0), 0.0)", 3},
    {"arithmetic", "(x + y) * (x - y) + x * 0.5 - y * 0.25", 7},
    {"integers", "(i + j) * 3 - i + j * 2", 5},
    {"compare", "x > 0.25 and y < 0.75 or i >= 100", 5},
    {"nulls", "(nx + y) * (nx - y) + nx * 0.5 - y * 0.25", 7},
    {"night", "hour(ts) < 6", 2},
    {"case", "case when x < 0.1 then 1 when x < 0.5 then 2 else 3 end", 3},
    {"text", "lower(t) like '%card%'", 2},
    {"exp", "1 / (1 + exp(-x))", 4},
};

struct Data {
  Schema schema = {{"x", kDoubleType}, {"y", kDoubleType}, {"nx", kDoubleType},   {"i", kIntType},
                   {"j", kIntType},    {"t", kTextType},   {"ts", kTimestampType}};
  std::vector<Values> values;

  explicit Data(int64_t rows) {
    for (const Field& f : schema) values.emplace_back(f.type.type);
    for (int64_t r = 0; r < rows; ++r) {
      values[0].add_f64(static_cast<double>(r * 7919 % 1009) / 1009);
      values[1].add_f64(static_cast<double>(r * 104729 % 1013) / 1013);
      r % 10 ? values[2].add_f64(static_cast<double>(r % 97)) : values[2].add_null();
      values[3].add_i64(r * 31 % 1000);
      values[4].add_i64(r * 17 % 1000);
      values[5].add_text(r % 3 ? "Paid by Card" : "Cash");
      values[6].add_i64(1700000000000000 + r * 977000000);
    }
  }
  std::vector<Column> columns(const Program& program) const {
    std::vector<Column> out;
    for (const Field& used : program.inputs())
      for (size_t i = 0; i < schema.size(); ++i)
        if (schema[i].name == used.name) out.push_back(values[i].view());
    return out;
  }
};

// The best of some rounds: what else runs on the machine only adds.
double ns_per_row(const Work& work, int64_t rows) {
  const Data data(rows);
  const auto program = compile(work.text, data.schema);
  CHECK(program.ok());
  Evaluator evaluator(*program);
  const std::vector<Column> columns = data.columns(*program);
  Values out = evaluator.make_output();
  const int64_t calls = rows == 1 ? 200000 : 2000000 / rows;
  double best = 1e18;
  for (int round = 0; round < 12; ++round) {
    const int64_t before = real_clock().steady_ns();
    for (int64_t i = 0; i < calls; ++i) {
      out.clear();
      CHECK(evaluator.evaluate(columns, rows, &out).ok());
    }
    const auto took = static_cast<double>(real_clock().steady_ns() - before);
    best = std::min(best, took / static_cast<double>(calls * rows));
  }
  return best;
}

int main_of(const std::string& folder) {
  codec::Json out;
  for (const Work& work : kWork) {
    codec::Json row;
    const double block = ns_per_row(work, 1024);
    row.set("text", std::string(work.text));
    row.set("one_row_ns", ns_per_row(work, 1));
    row.set("block_row_ns", block);
    row.set("operations_per_s", work.operations / block * 1e9);
    out.set(std::string(work.name), std::move(row));
  }
  return write_file_atomic(real_fs(), folder + "/result.json", codec::to_json(out)).ok() ? 0 : 1;
}

}  // namespace
}  // namespace slip::engine::expr

int main(int count, char** args) { return count == 2 ? slip::engine::expr::main_of(args[1]) : 2; }
