#include <cmath>

#include <benchmark/benchmark.h>

#include "contract/checker.h"
#include "contract/record.h"

// Bytes of fixed-width columns that a full check reads a second on one core, and the time of one
// record of 50 columns. bench/contract.py gives the same rows to a peer.
namespace slip::contract {
namespace {

using engine::Type;
using engine::Values;

constexpr int64_t kRows = 1 << 20;
constexpr int64_t kBatch = 64 << 10;

// 16 columns as bench/contract.py makes them: i0..i7 and d0..d7, every 97th row null in the odd
// ones.
std::string yaml(bool unique) {
  std::string out =
      "apiVersion: v3.1.0\nkind: DataContract\nid: b\nversion: 1.0.0\nstatus: active\nschema:\n  - "
      "name: t\n"
      "    properties:\n";
  if (unique) out += "      - {name: id, logicalType: integer, required: true, unique: true}\n";
  for (int i = 0; i < 8; ++i) {
    const std::string n = std::to_string(i);
    const std::string required = i % 2 == 0 ? ", required: true" : "";
    out += "      - {name: i" + n + ", logicalType: integer" + required +
           ", logicalTypeOptions: {minimum: 0, maximum: 999}}\n";
    out +=
        "      - {name: d" + n + ", logicalType: number" + required +
        ", logicalTypeOptions: {minimum: 0, exclusiveMaximum: 1.5}, quality: [{metric: nullValues, "
        "mustBeLessThan: 5, unit: percent}]}\n";
  }
  return out;
}

struct Data {
  std::vector<FieldFact> fields;
  std::vector<Values> values;  // Batch by batch, column by column.
  std::vector<std::vector<engine::Column>> batches;
  int64_t bytes = 0;
};

Data make(bool unique) {
  Data out;
  if (unique) out.fields.push_back({"id", Type::kInt64, "int64", true});
  for (int i = 0; i < 8; ++i) {
    out.fields.push_back({"i" + std::to_string(i), Type::kInt64, "int64", true});
    out.fields.push_back({"d" + std::to_string(i), Type::kDouble, "double", true});
  }
  for (int64_t from = 0; from < kRows; from += kBatch) {
    for (const FieldFact& f : out.fields) {
      Values v(f.type);
      const int64_t column = f.name == "id" ? 0 : f.name[1] - '0';
      for (int64_t r = from; r < from + kBatch; ++r) {
        const int64_t mixed = r * 7919 + column * 31;
        if (f.name != "id" && column % 2 == 1 && r % 97 == 0)
          v.add_null();
        else if (f.type == Type::kDouble)
          v.add_f64(static_cast<double>(mixed % 1009) / 1009);
        else
          v.add_i64(f.name == "id" ? (r * 524287) % kRows : mixed % 1000);
      }
      out.values.push_back(std::move(v));
    }
  }
  size_t at = 0;
  for (int64_t from = 0; from < kRows; from += kBatch) {
    out.batches.emplace_back();
    for (size_t c = 0; c < out.fields.size(); ++c)
      out.batches.back().push_back(out.values[at++].view());
  }
  out.bytes = kRows * 8 * static_cast<int64_t>(out.fields.size());
  return out;
}

void run(benchmark::State& state, bool unique) {
  const Contract contract = parse_contract(yaml(unique)).value();
  const Data data = make(unique);
  for (auto _ : state) {
    Checker checker(contract, contract.objects[0], data.fields, {});
    for (const auto& batch : data.batches) CHECK(checker.add(batch, kBatch).ok());
    const Report report = checker.finish().value();
    CHECK(report.ok());
    benchmark::DoNotOptimize(report.rows);
  }
  state.SetBytesProcessed(state.iterations() * data.bytes);
}
void fixed_width(benchmark::State& state) { run(state, false); }
void with_unique_key(benchmark::State& state) { run(state, true); }

void record_of_50(benchmark::State& state) {
  std::string text =
      "apiVersion: v3.1.0\nkind: DataContract\nid: b\nversion: 1.0.0\nstatus: active\nschema:\n  - "
      "name: t\n"
      "    properties:\n";
  std::vector<Cell> cells;
  for (int i = 0; i < 50; ++i) {
    const std::string head =
        "      - {name: c" + std::to_string(i) + ", required: true, logicalType: ";
    if (i % 5 == 4) {
      text += head +
              "string, logicalTypeOptions: {maxLength: 8}, quality: [{metric: invalidValues, "
              "arguments: {validValues: [new, paid, sent]}, mustBe: 0}]}\n";
      cells.push_back(Cell::of_text("paid"));
    } else if (i % 2 == 0) {
      text += head + "integer, logicalTypeOptions: {minimum: 0, maximum: 999}}\n";
      cells.push_back(Cell::of_int(7 * i));
    } else {
      text += head + "number, logicalTypeOptions: {minimum: 0, maximum: 1}}\n";
      cells.push_back(Cell::of_real(0.01 * i));
    }
  }
  const Contract contract = parse_contract(text).value();
  const RecordChecker checker = RecordChecker::make(contract.objects[0]).value();
  RecordVerdict verdict;
  for (auto _ : state) {
    checker.check(cells, &verdict);
    CHECK(verdict.clean);
  }
}

BENCHMARK(fixed_width)->Unit(benchmark::kMillisecond);
BENCHMARK(with_unique_key)->Unit(benchmark::kMillisecond);
BENCHMARK(record_of_50);

}  // namespace
}  // namespace slip::contract
