#include "cli/feature_join.h"

#include <algorithm>
#include <array>
#include <memory>

#include "base/text.h"
#include "cli/rest.h"
#include "cli/table_files.h"
#include "codec/joined.h"
#include "codec/row_groups.h"
#include "codec/table.h"
#include "engine/column/column.h"
#include "engine/pit/pit.h"

namespace slip::cli {
namespace {

constexpr int64_t kFrameRowBytes = 96;  // Of a frame's row beside its keys: here and in PitJoin.
constexpr int64_t kKeyBytesMax = int64_t{1} << 30;  // Of one pass; a column holds less than 2 GiB.
constexpr int64_t kThreadsMax = 256;
constexpr int64_t kBatchRows = 64 << 10;

class Tasks final : public engine::Workers {
 public:
  Tasks(Executor& executor, size_t threads) : executor_(executor), threads_(threads) {}
  size_t threads() const override { return threads_; }
  void run(size_t n, const std::function<void(size_t)>& task) override {
    std::vector<std::unique_ptr<Task>> tasks;
    for (size_t i = 1; i < n; ++i)
      tasks.push_back(executor_.spawn("feature-join", [&task, i] { task(i); }));
    if (n > 0) task(0);
  }

 private:
  Executor& executor_;
  size_t threads_;
};

const codec::Field* find(const std::vector<codec::Field>& schema, std::string_view name) {
  const auto at = std::ranges::find(schema, name, &codec::Field::name);
  return at == schema.end() ? nullptr : &*at;
}

Result<const codec::Field*> column(const std::vector<codec::Field>& schema, std::string_view file,
                                   std::string_view name) {
  const codec::Field* out = find(schema, name);
  if (out != nullptr) return out;
  std::string names;
  for (const codec::Field& f : schema) names += (names.empty() ? "" : ", ") + f.name;
  return invalid("feature.column", concat({file, " has no column ", name}))
      .with_hint("its columns are " + names);
}

Status check_time(const codec::Field& field, std::string_view file) {
  if (field.readable && field.type == codec::ColumnType::kTimestampUs) return {};
  return invalid("feature.time_type", concat({file, ": ", field.name, " is ", field.type_name,
                                              ", which is no timestamp"}));
}

// One join: reads both files' keys and times, as often as the memory asks for.
class Joiner {
 public:
  Joiner(Fs& fs, Executor& executor, const FeatureJoin& join)
      : fs_(fs), join_(join), workers_(executor, join.threads) {}

  Result<FeatureJoined> run() {
    entities_ = TRY(FileBytes::open(fs_, join_.entities));
    source_ = TRY(FileBytes::open(fs_, join_.source));
    TRY(check());
    TRY(measure());
    for (int64_t pass = 0; pass < out_.passes; ++pass) TRY(match(pass));
    out_.found = std::ranges::count_if(winners_, [](int64_t row) { return row >= 0; });
    TRY(write());
    return out_;
  }

 private:
  using Reader = std::unique_ptr<codec::TableReader>;
  Result<Reader> open(FileBytes& bytes, std::vector<std::string> columns,
                      std::vector<int> groups = {}) {
    std::ranges::sort(columns);
    const auto twice = std::ranges::unique(columns);
    columns.erase(twice.begin(), twice.end());
    codec::ReadOptions options;
    options.columns = std::move(columns);
    options.batch_rows = kBatchRows;
    options.groups = std::move(groups);
    return codec::open_table(codec::Format::kParquet, bytes, std::move(options));
  }
  Result<Reader> open_entities() {
    std::vector<std::string> columns = join_.keys;
    columns.push_back(join_.entity_time);
    return open(*entities_, std::move(columns));
  }
  std::vector<std::string> source_columns() const {
    std::vector<std::string> out = join_.keys;
    out.push_back(join_.event_time);
    for (const std::string* name : {&join_.created_time, &join_.sequence, &join_.tombstone})
      if (!name->empty()) out.push_back(*name);
    return out;
  }
  std::vector<engine::Column> keys_of(const codec::Table& table) const {
    std::vector<engine::Column> out;
    for (const std::string& name : join_.keys) out.push_back(view(*table.find(name)));
    return out;
  }

  Status check() {
    if (join_.as_known && join_.created_time.empty())
      return invalid("feature.created", "as_known needs the time at which rows became known")
          .with_hint("name its column by --created-time");
    const Reader left = TRY(open(*entities_, {}));
    const Reader right = TRY(open(*source_, {}));
    for (const std::string& key : join_.keys) {
      const codec::Field* a = TRY(column(left->schema(), join_.entities, key));
      const codec::Field* b = TRY(column(right->schema(), join_.source, key));
      if (!a->readable || !b->readable || a->type != b->type)
        return invalid("feature.key_type",
                       concat({"key ", key, " is ", a->type_name, " in ", join_.entities, " and ",
                               b->type_name, " in ", join_.source}));
    }
    const auto* at = TRY(column(left->schema(), join_.entities, join_.entity_time));
    TRY(check_time(*at, join_.entities));
    const auto* event = TRY(column(right->schema(), join_.source, join_.event_time));
    TRY(check_time(*event, join_.source));
    if (!join_.created_time.empty()) {
      const auto* created = TRY(column(right->schema(), join_.source, join_.created_time));
      TRY(check_time(*created, join_.source));
    }
    TRY(check_type(right->schema(), join_.sequence, codec::ColumnType::kInt64));
    TRY(check_type(right->schema(), join_.tombstone, codec::ColumnType::kBool));
    for (const std::string& key : join_.keys) {
      const codec::ColumnType type = find(left->schema(), key)->type;
      texts_ = texts_ || type == codec::ColumnType::kText || type == codec::ColumnType::kBytes;
    }
    for (const std::string& feature : join_.features) {
      TRY(column(right->schema(), join_.source, feature));
      if (find(left->schema(), feature) != nullptr ||
          std::ranges::count(join_.features, feature) > 1)
        return invalid("feature.collision", "two columns of the output would be named " + feature);
    }
    return {};
  }

  Status check_type(const std::vector<codec::Field>& schema, const std::string& name,
                    codec::ColumnType type) const {
    if (name.empty()) return {};
    const auto* field = TRY(column(schema, join_.source, name));
    if (field->readable && field->type == type) return {};
    return invalid("feature.column_type",
                   concat({join_.source, ": ", name, " is ", field->type_name, " and should be ",
                           codec::column_type_name(type)}));
  }

  // How many parts the entity frame has: those of one pass, by hash of the key, fit.
  Status measure() {
    const std::vector<codec::RowGroup> groups =
        TRY(codec::parquet_row_groups(*entities_, std::span<const std::string>()));
    for (const codec::RowGroup& group : groups) out_.rows += group.rows;
    int64_t key_bytes = out_.rows * 16 * static_cast<int64_t>(join_.keys.size());
    if (texts_) TRY(measure_texts(&key_bytes));
    const int64_t bytes = out_.rows * kFrameRowBytes + key_bytes * 2;
    out_.passes = 1 + std::max(bytes / std::max<int64_t>(join_.memory_bytes, 1 << 20),
                               key_bytes / kKeyBytesMax);
    winners_.assign(static_cast<size_t>(out_.rows), engine::kNoRow);
    return {};
  }
  Status measure_texts(int64_t* key_bytes) {
    const Reader reader = TRY(open_entities());
    *key_bytes = 0;
    while (const std::optional<codec::Table> batch = TRY(reader->next()))
      for (const std::string& key : join_.keys)
        *key_bytes += static_cast<int64_t>(batch->find(key)->data.size()) + batch->rows * 8;
    return {};
  }

  Status match(int64_t pass) {
    std::vector<engine::Values> keys;
    engine::Values times(engine::Type::kTimestampUs);
    std::vector<int64_t> frame_row;
    const Reader reader = TRY(open_entities());
    int64_t first = 0;
    while (const std::optional<codec::Table> batch = TRY(reader->next())) {
      const std::vector<engine::Column> columns = keys_of(*batch);
      const engine::Column at = view(*batch->find(join_.entity_time));
      if (keys.empty())
        for (const engine::Column& c : columns) keys.emplace_back(c.type);
      const engine::Keys hasher(columns);
      for (int64_t i = 0; i < batch->rows; ++i) {
        if (at.is_null(i) || engine::Keys::has_null(columns, i)) continue;
        if (out_.passes > 1 && part_of(hasher.hash(columns, i)) != pass) continue;
        for (size_t k = 0; k < keys.size(); ++k) keys[k].add_from(columns[k], i);
        times.add_i64(at.i64(i));
        frame_row.push_back(first + i);
      }
      first += batch->rows;
    }
    if (frame_row.empty()) return {};
    std::vector<engine::Column> key_views;
    for (const engine::Values& key : keys) key_views.push_back(key.view());
    const engine::Look look{join_.as_known, join_.strict, join_.ttl_us};
    engine::PitJoin pit = TRY(engine::PitJoin::make(key_views, times.view(), {look}, workers_));
    const std::vector<int> groups = TRY(groups_of(pit, key_views));
    keys.clear();
    times.clear();
    TRY(scan(&pit, groups));
    const std::vector<int64_t> rows = pit.winners(0);
    for (size_t i = 0; i < rows.size(); ++i) winners_[static_cast<size_t>(frame_row[i])] = rows[i];
    return {};
  }

  int64_t part_of(uint64_t hash) const {
    return static_cast<int64_t>((hash >> 32) % static_cast<uint64_t>(out_.passes));
  }

  // The source's row groups that can hold a winner, by what its footer says of times and keys.
  Result<std::vector<int>> groups_of(const engine::PitJoin& pit,
                                     const std::vector<engine::Column>& keys) {
    std::vector<std::string> columns = {join_.event_time};
    std::vector<codec::RowGroup::Bounds> seen = {{pit.range()->min, pit.range()->max}};
    for (size_t k = 0; k < keys.size(); ++k) {
      if (keys[k].type != engine::Type::kInt64 && keys[k].type != engine::Type::kTimestampUs)
        continue;
      columns.push_back(join_.keys[k]);
      const std::span<const int64_t> words(static_cast<const int64_t*>(keys[k].data),
                                           static_cast<size_t>(keys[k].n));
      const auto [min, max] = std::ranges::minmax(words);
      seen.push_back({min, max});
    }
    groups_ = TRY(codec::parquet_row_groups(*source_, columns));
    std::vector<int> out;
    for (size_t g = 0; g < groups_.size(); ++g) {
      bool may = groups_[g].rows > 0;
      for (size_t c = 0; c < seen.size(); ++c) {
        const auto& bounds = groups_[g].bounds[c];
        may = may && (!bounds || (bounds->min <= seen[c].max && bounds->max >= seen[c].min));
      }
      if (may) out.push_back(static_cast<int>(g));
    }
    return out;
  }

  // As many row groups at once as there are threads: each thread reads its own, then all of them
  // join batch after batch.
  Status scan(engine::PitJoin* pit, const std::vector<int>& groups) {
    if (join_.threads == 1) {
      for (const int group : groups) {
        const auto add = [&](const codec::Table& batch, int64_t first) {
          return pit->add(rows_of(batch, first));
        };
        TRY(read_group(group, add));
      }
      return {};
    }
    for (size_t from = 0; from < groups.size(); from += join_.threads) {
      const size_t n = std::min(join_.threads, groups.size() - from);
      std::vector<std::vector<std::pair<codec::Table, int64_t>>> batches(n);
      std::vector<Status> done(n);
      workers_.run(n, [&](size_t i) {
        done[i] = read_group(groups[from + i], [&](codec::Table& batch, int64_t first) -> Status {
          batches[i].emplace_back(std::move(batch), first);
          return {};
        });
      });
      for (size_t i = 0; i < n; ++i) {
        TRY(done[i]);
        for (const auto& [batch, first] : batches[i]) TRY(pit->add(rows_of(batch, first)));
      }
    }
    return {};
  }
  template <class F>
  Status read_group(int group, F&& each) {
    const Reader reader = TRY(open(*source_, source_columns(), {group}));
    int64_t first = groups_[static_cast<size_t>(group)].first_row;
    while (std::optional<codec::Table> batch = TRY(reader->next())) {
      const int64_t rows = batch->rows;
      TRY(each(*batch, first));
      first += rows;
    }
    return {};
  }
  engine::SourceRows rows_of(const codec::Table& batch, int64_t first) const {
    engine::SourceRows out;
    out.keys = keys_of(batch);
    out.event = view(*batch.find(join_.event_time));
    if (!join_.created_time.empty()) out.created = view(*batch.find(join_.created_time));
    if (!join_.sequence.empty()) out.sequence = view(*batch.find(join_.sequence));
    if (!join_.tombstone.empty()) out.tombstone = view(*batch.find(join_.tombstone));
    out.first_row = first;
    return out;
  }

  // A neighbour that takes the output's place when it is whole.
  Status write() {
    const std::string part = join_.out + ".part";
    const Status done = fill(part);
    if (!done.ok()) {
      ignore(fs_.remove(part), "the error that led here says more");
      return done;
    }
    return fs_.sync_dir(parent_dir(join_.out));
  }
  Status fill(const std::string& part) {
    const std::unique_ptr<File> file = TRY(fs_.open(part, OpenMode::kTruncate));
    FileSink sink(*file);
    const auto run = [this](size_t n, const std::function<void(size_t)>& task) {
      workers_.run(n, task);
    };
    TRY(codec::write_joined({*entities_, *source_, join_.features, winners_, run, join_.threads},
                            sink));
    TRY(file->sync());
    return fs_.rename(part, join_.out);
  }

  Fs& fs_;
  const FeatureJoin& join_;
  Tasks workers_;
  std::unique_ptr<FileBytes> entities_;
  std::unique_ptr<FileBytes> source_;
  bool texts_ = false;                   // Among the keys.
  std::vector<codec::RowGroup> groups_;  // Of the source.
  std::vector<int64_t> winners_;
  FeatureJoined out_;
};

Result<std::vector<std::string>> names(const Call& call, std::string_view option) {
  std::vector<std::string> out;
  const std::string text = call.text(option);
  for (const std::string_view name : split(text, ',')) {
    if (trim(name).empty())
      return invalid("usage.names", concat({"--", option, " is names with commas between"}));
    out.emplace_back(trim(name));
  }
  return out;
}

Result<FeatureJoin> join_of(const Call& call) {
  FeatureJoin out;
  out.entities = call.text("entities");
  out.source = call.text("source");
  out.out = call.text("out");
  out.keys = TRY(names(call, "key"));
  out.features = TRY(names(call, "features"));
  out.event_time = call.text("event-time", "event_timestamp");
  out.entity_time = call.text("entity-time", out.event_time);
  out.created_time = call.text("created-time");
  out.sequence = call.text("sequence");
  out.tombstone = call.text("tombstone");
  if (call.has("ttl")) out.ttl_us = TRY(parse_duration_us(call.text("ttl")));
  const std::string mode = call.text("mode", "as_of");
  if (mode != "as_of" && mode != "as_known")
    return invalid("usage.mode", "--mode is as_of or as_known");
  out.as_known = mode == "as_known";
  out.strict = call.on("strict");
  const std::optional<int64_t> memory = parse_size(call.text("memory", "2GiB"));
  if (!memory || *memory <= 0) return invalid("usage.size", "--memory is a size, such as 2GiB");
  out.memory_bytes = *memory;
  const int64_t threads = TRY(call.number("threads")).value_or(1);
  if (threads < 1 || threads > kThreadsMax)
    return invalid("usage.number", "--threads is between 1 and 256");
  out.threads = static_cast<size_t>(threads);
  return out;
}

}  // namespace

Result<FeatureJoined> join_features(Fs& fs, Executor& executor, const FeatureJoin& join) {
  return Joiner(fs, executor, join).run();
}

Result<int64_t> parse_duration_us(std::string_view text) {
  struct Unit {
    std::string_view name;
    int64_t us;
  };
  constexpr std::array<Unit, 7> kUnits = {{{"us", 1},
                                           {"ms", 1000},
                                           {"s", 1'000'000},
                                           {"m", 60'000'000},
                                           {"h", 3'600'000'000},
                                           {"d", 86'400'000'000},
                                           {"w", 604'800'000'000}}};
  const size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const std::optional<int64_t> n = parse_int(text.substr(0, digits));
  int64_t us = 0;
  for (const Unit& unit : kUnits)
    if (n && text.substr(digits) == unit.name && !__builtin_mul_overflow(*n, unit.us, &us))
      return us;
  return invalid("usage.duration", concat({"'", text, "' is no length of time"}))
      .with_hint("a number and us, ms, s, m, h, d or w: 7d");
}

void add_feature_commands(Commands& commands, const Machine& machine) {
  std::vector<Option> options = {
      {"entities", "FILE", "Parquet: the rows that get features (keys, time, anything else).",
       true},
      {"source", "FILE", "Parquet: the history of the features.", true},
      {"key", "NAMES", "Key columns of both files: K[,K2].", true},
      {"features", "NAMES", "Columns of the source to add: a,b.", true},
      {"out", "FILE", "The Parquet file to write.", true},
      {"event-time", "NAME", "The source's event time [event_timestamp]."},
      {"entity-time", "NAME", "The entities' time [as --event-time]."},
      {"created-time", "NAME", "When a row of the source became known; settles ties."},
      {"sequence", "NAME", "int64 of the source that settles further ties [the row's number]."},
      {"tombstone", "NAME", "bool of the source: a row that takes its key's values back."},
      {"ttl", "LENGTH", "Older rows do not count: 7d, 12h; both ends belong [for ever]."},
      {"mode", "MODE", "as_of, or as_known: what was known by then, too [as_of]."},
      {"strict", "", "Rows before the entity's time only, not at it."},
      {"threads", "N", "Threads of the join [1]."},
      {"memory", "SIZE", "Of the entities in memory; more reads the source again [2GiB]."}};
  commands.add({"feature join",
                "Adds to each row the features as they stood at its time.",
                {},
                std::move(options),
                [fs = &machine.fs, executor = &machine.executor](Call& call) -> Result<int> {
                  const FeatureJoin join = TRY(join_of(call));
                  const FeatureJoined done = TRY(join_features(*fs, *executor, join));
                  call.terminal.err(
                      concat({std::to_string(done.rows), " rows, ", std::to_string(done.found),
                              " with features: ", join.out, "\n"}));
                  return 0;
                },
                "Every row of the entities comes back once, in its order, with all its columns; "
                "features are\n"
                "null where nothing qualifies. Of rows with one event time the later created one "
                "counts, then\n"
                "that of the greater sequence, then the later in the file. Times without a zone "
                "are UTC. Needs no server."});
}

}  // namespace slip::cli
