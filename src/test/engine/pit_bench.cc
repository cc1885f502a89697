#include "engine/pit/pit.h"

#include <algorithm>
#include <string>
#include <vector>

#include <sys/resource.h>

#include "base/check.h"
#include "base/text.h"
#include "codec/json.h"
#include "codec/table.h"
#include "sys/clock.h"
#include "sys/executor.h"
#include "sys/fs.h"

// pit_bench FOLDER THREADS: the point-in-time join in memory, features fetched for the winners
// alone; FOLDER is what bench/features/workload.py makes. Writes FOLDER/ours.json and the answer of
// the last round, FOLDER/ours.parquet; bench/features.py builds, runs, compares and prints.
namespace slip::engine {
namespace {

constexpr int kRounds = 5;
constexpr int kFeatures = 10;
constexpr int64_t kTtlUs = int64_t{30} * 86'400'000'000;

class Threads final : public Workers {
 public:
  explicit Threads(size_t n) : n_(n) {}
  size_t threads() const override { return n_; }
  void run(size_t n, const std::function<void(size_t)>& task) override {
    std::vector<std::unique_ptr<Task>> tasks;
    for (size_t i = 1; i < n; ++i)
      tasks.push_back(real_executor().spawn("pit-bench", [&task, i] { task(i); }));
    if (n > 0) task(0);
  }

 private:
  size_t n_;
};

Type type_of(codec::ColumnType type) {
  if (type == codec::ColumnType::kDouble) return Type::kDouble;
  return type == codec::ColumnType::kInt64 ? Type::kInt64 : Type::kTimestampUs;
}

// A whole file, every column in one piece.
std::vector<Values> load(const std::string& path) {
  const auto source = codec::text_source(read_file(real_fs(), path, int64_t{4} << 30).value());
  codec::ReadOptions options;
  options.batch_rows = 1 << 16;
  const auto reader = codec::open_table(codec::Format::kParquet, *source, options).value();
  std::vector<Values> out;
  for (const codec::Field& f : reader->schema()) out.emplace_back(type_of(f.type));
  while (const std::optional<codec::Table> batch = reader->next().value())
    for (size_t c = 0; c < out.size(); ++c)
      for (int64_t i = 0; i < batch->rows; ++i) {
        const codec::Column& from = batch->columns[c];
        out[c].type() == Type::kDouble ? out[c].add_f64(from.f64(i)) : out[c].add_i64(from.i64(i));
      }
  return out;
}

struct Joined {
  std::vector<int64_t> rows;
  std::vector<std::vector<double>> features;
};

Joined join(const std::vector<Values>& entities, const std::vector<Values>& source,
            size_t threads) {
  Threads workers(threads);
  const std::vector<Column> keys = {entities[0].view()};
  Look look;
  look.ttl = kTtlUs;
  PitJoin pit = PitJoin::make(keys, entities[1].view(), {look}, workers).value();
  SourceRows rows;
  rows.keys = {source[0].view()};
  rows.event = source[1].view();
  CHECK(pit.add(rows).ok());
  Joined out;
  out.rows = pit.winners(0);
  out.features.resize(kFeatures);
  workers.run(threads, [&](size_t part) {
    for (size_t f = part; f < kFeatures; f += threads) {
      const Column from = source[2 + f].view();
      std::vector<double>& to = out.features[f];
      to.resize(out.rows.size());
      for (size_t i = 0; i < to.size(); ++i) to[i] = out.rows[i] < 0 ? 0 : from.f64(out.rows[i]);
    }
  });
  return out;
}

void write(const Joined& joined, const std::string& path) {
  std::vector<codec::Field> schema(1 + kFeatures);
  schema[0].name = "row";
  schema[0].type = codec::ColumnType::kInt64;
  for (size_t f = 0; f < kFeatures; ++f) {
    schema[1 + f].name = "f" + std::to_string(f);
    schema[1 + f].type = codec::ColumnType::kDouble;
  }
  codec::Table table = codec::make_table(schema);
  for (size_t i = 0; i < joined.rows.size(); ++i) {
    table.columns[0].add_i64(table.rows++);
    for (size_t f = 0; f < kFeatures; ++f)
      joined.rows[i] < 0 ? table.columns[1 + f].add_null()
                         : table.columns[1 + f].add_f64(joined.features[f][i]);
  }
  std::string bytes;
  const auto sink = codec::text_sink(&bytes);
  const auto writer = codec::make_table_writer(codec::Format::kParquet, schema, *sink).value();
  CHECK(writer->write(table).ok() && writer->finish().ok());
  CHECK(write_file_atomic(real_fs(), path, bytes).ok());
}

int main_of(const std::string& folder, size_t threads) {
  const std::vector<Values> entities = load(folder + "/entities.parquet");
  const std::vector<Values> source = load(folder + "/source.parquet");
  std::vector<int64_t> took;
  Joined last;
  for (int round = 0; round < kRounds; ++round) {
    last = {};
    const int64_t before = real_clock().steady_ns();
    last = join(entities, source, threads);
    took.push_back(real_clock().steady_ns() - before);
  }
  std::sort(took.begin(), took.end());
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  write(last, folder + "/ours.parquet");
  codec::Json out;
  out.set("ms", static_cast<double>(took[took.size() / 2]) / 1e6);
  out.set("peak_bytes", int64_t{used.ru_maxrss} * 1024);
  return write_file_atomic(real_fs(), folder + "/ours.json", codec::to_json(out)).ok() ? 0 : 1;
}

}  // namespace
}  // namespace slip::engine

int main(int count, char** args) {
  const std::optional<int64_t> threads = count == 3 ? slip::parse_int(args[2]) : std::nullopt;
  if (!threads || *threads < 1) return 2;
  return slip::engine::main_of(args[1], static_cast<size_t>(*threads));
}
