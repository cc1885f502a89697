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

// A column without a type has nulls alone, and matches any other.
bool all_null(const codec::Field& field) { return field.type_name == "null"; }

// Its first word that has a hint.
std::string_view time_hint(const codec::Field& field) {
  if (field.readable && field.type == codec::ColumnType::kText)
    return "pandas: pd.to_datetime(…); Polars: .str.to_datetime()";
  return "a timestamp or date is wanted, or integers with --time-unit";
}

Error key_error(const codec::Field& a, std::string_view a_file, const codec::Field& b,
                std::string_view b_file) {
  Error out = invalid("feature.key_type", concat({"key ", a.name, " is ", a.type_name, " in ",
                                                  a_file, " and ", b.type_name, " in ", b_file}));
  using codec::ColumnType;
  if (a.readable && b.readable && (a.type == ColumnType::kDouble || b.type == ColumnType::kDouble))
    return std::move(out).with_hint(
        "pandas makes integers with gaps floats: astype(\"Int64\") before writing");
  if (!a.readable && !b.readable) return std::move(out).with_hint("no key can be of such a type");
  return std::move(out).with_hint("cast one of them: keys are compared as they are");
}

constexpr std::array<std::pair<std::string_view, int64_t>, 4> kTimeUnits = {
    {{"s", 1'000'000'000}, {"ms", 1'000'000}, {"us", 1000}, {"ns", 1}}};

// Integers as times; those that are times already are left alone.
Status make_times(codec::Column* column, int64_t unit_ns, std::string_view name) {
  if (column->type != codec::ColumnType::kInt64) return {};
  codec::Column out;
  out.type = codec::ColumnType::kTimestampUs;
  for (int64_t i = 0; i < column->n; ++i) {
    if (column->is_null(i)) {
      out.add_null();
      continue;
    }
    int64_t us = column->i64(i);
    int64_t rest = 0;
    if (unit_ns < 1000) {
      rest = us % 1000;
      us = us / 1000 - (rest < 0 ? 1 : 0);
      rest += rest < 0 ? 1000 : 0;
    } else if (__builtin_mul_overflow(us, unit_ns / 1000, &us)) {
      return invalid("feature.time_range",
                     concat({name, ": ", std::to_string(column->i64(i)), " is no time"}))
          .with_hint("is --time-unit right?");
    }
    out.add_time(us, static_cast<int16_t>(rest));
  }
  *column = std::move(out);
  return {};
}

const int16_t* rest_of(const codec::Column& times) {
  return times.fine.empty() ? nullptr : times.fine.data();
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
    for (int64_t pass = 0; pass < out_.passes && !nothing_; ++pass) TRY(match(pass));
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
    options.nanoseconds = true;
    options.decimals = true;
    options.as_bits = wide_keys_;
    Result<Reader> out = codec::open_table(codec::Format::kParquet, bytes, std::move(options));
    if (!out.ok()) return std::move(out).error().within(name_of(bytes));
    return out;
  }
  const std::string& name_of(const FileBytes& bytes) const {
    return &bytes == entities_.get() ? join_.entities : join_.source;
  }
  Result<std::optional<codec::Table>> next(const FileBytes& bytes, codec::TableReader& from) const {
    Result<std::optional<codec::Table>> out = from.next();
    if (!out.ok()) return std::move(out).error().within(name_of(bytes));
    return out;
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
      nothing_ = nothing_ || all_null(*a) || all_null(*b);
      if (all_null(*a) || all_null(*b)) continue;
      if (!a->readable || !b->readable || a->type != b->type)
        return key_error(*a, join_.entities, *b, join_.source);
      if (a->type_name == "uint64" && b->type_name == "uint64") wide_keys_.push_back(key);
    }
    const auto* at = TRY(column(left->schema(), join_.entities, join_.entity_time));
    TRY(check_time(*at, join_.entities));
    const auto* event = TRY(column(right->schema(), join_.source, join_.event_time));
    TRY(check_time(*event, join_.source));
    prune_by_time_ = event->type == codec::ColumnType::kTimestampUs;
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
        return invalid("feature.collision", "two columns of the output would be named " + feature)
            .with_hint("rename it in one of the files, or leave it out");
    }
    return {};
  }

  Status check_time(const codec::Field& field, std::string_view file) const {
    if (all_null(field)) return {};
    if (field.readable && field.type == codec::ColumnType::kTimestampUs) return {};
    if (field.readable && field.type == codec::ColumnType::kInt64) {
      if (join_.time_unit_ns > 0) return {};
      return invalid("feature.time_type",
                     concat({file, ": ", field.name, " is ", field.type_name, " without a unit"}))
          .with_hint("--time-unit s, ms, us or ns says what its numbers are");
    }
    return invalid("feature.time_type", concat({file, ": ", field.name, " is ", field.type_name,
                                                ", which is no timestamp"}))
        .with_hint(time_hint(field));
  }

  Status check_type(const std::vector<codec::Field>& schema, const std::string& name,
                    codec::ColumnType type) const {
    if (name.empty()) return {};
    const auto* field = TRY(column(schema, join_.source, name));
    if (all_null(*field) || (field->readable && field->type == type)) return {};
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
    while (const std::optional<codec::Table> batch = TRY(next(*entities_, *reader)))
      for (const std::string& key : join_.keys)
        *key_bytes += static_cast<int64_t>(batch->find(key)->data.size()) + batch->rows * 8;
    return {};
  }

  Status match(int64_t pass) {
    std::vector<engine::Values> keys;
    codec::Column times;
    times.type = codec::ColumnType::kTimestampUs;
    std::vector<int64_t> frame_row;
    const Reader reader = TRY(open_entities());
    int64_t first = 0;
    while (std::optional<codec::Table> batch = TRY(next(*entities_, *reader))) {
      const std::vector<engine::Column> columns = keys_of(*batch);
      codec::Column& at = column_of(*batch, join_.entity_time);
      TRY(make_times(&at, join_.time_unit_ns, join_.entity_time));
      if (keys.empty())
        for (const engine::Column& c : columns) keys.emplace_back(c.type);
      const engine::Keys hasher(columns);
      for (int64_t i = 0; i < batch->rows; ++i) {
        if (at.is_null(i) || engine::Keys::has_null(columns, i)) continue;
        if (out_.passes > 1 && part_of(hasher.hash(columns, i)) != pass) continue;
        for (size_t k = 0; k < keys.size(); ++k) keys[k].add_from(columns[k], i);
        times.add_time(at.i64(i), at.fine.empty() ? int16_t{0} : at.fine[static_cast<size_t>(i)]);
        frame_row.push_back(first + i);
      }
      first += batch->rows;
    }
    if (frame_row.empty()) return {};
    std::vector<engine::Column> key_views;
    for (const engine::Values& key : keys) key_views.push_back(key.view());
    const engine::Look look{join_.as_known, join_.strict, join_.ttl_us};
    engine::PitJoin pit =
        TRY(engine::PitJoin::make(key_views, view(times), {look}, workers_, rest_of(times)));
    const std::vector<int> groups = TRY(groups_of(pit, key_views));
    keys.clear();
    times = {};
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
    std::vector<std::string> columns;
    std::vector<codec::RowGroup::Bounds> seen;
    if (prune_by_time_) {
      columns.push_back(join_.event_time);
      seen.push_back({pit.range()->min, pit.range()->max});
    }
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
    while (std::optional<codec::Table> batch = TRY(next(*source_, *reader))) {
      const int64_t rows = batch->rows;
      TRY(make_columns(&*batch));
      TRY(each(*batch, first));
      first += rows;
    }
    return {};
  }
  static codec::Column& column_of(codec::Table& table, const std::string& name) {
    return table.columns[static_cast<size_t>(table.find(name) - table.columns.data())];
  }
  // Times and what settles ties, of the types that the engine takes.
  Status make_columns(codec::Table* batch) const {
    const auto typed = [&](const std::string& name, codec::ColumnType type) {
      if (name.empty()) return;
      codec::Column& column = column_of(*batch, name);
      if (column.type == type || column.nulls < column.n) return;
      column = {};
      column.type = type;
      for (int64_t i = 0; i < batch->rows; ++i) column.add_null();
    };
    typed(join_.event_time, codec::ColumnType::kTimestampUs);
    typed(join_.created_time, codec::ColumnType::kTimestampUs);
    typed(join_.sequence, codec::ColumnType::kInt64);
    typed(join_.tombstone, codec::ColumnType::kBool);
    TRY(make_times(&column_of(*batch, join_.event_time), join_.time_unit_ns, join_.event_time));
    if (join_.created_time.empty()) return {};
    return make_times(&column_of(*batch, join_.created_time), join_.time_unit_ns,
                      join_.created_time);
  }
  engine::SourceRows rows_of(const codec::Table& batch, int64_t first) const {
    engine::SourceRows out;
    out.keys = keys_of(batch);
    const codec::Column& event = *batch.find(join_.event_time);
    out.event = view(event);
    out.event_rest = rest_of(event);
    if (!join_.created_time.empty()) {
      const codec::Column& created = *batch.find(join_.created_time);
      out.created = view(created);
      out.created_rest = rest_of(created);
    }
    if (!join_.sequence.empty()) out.sequence = view(*batch.find(join_.sequence));
    if (!join_.tombstone.empty()) out.tombstone = view(*batch.find(join_.tombstone));
    out.first_row = first;
    return out;
  }

  Status write() {
    const auto run = [this](size_t n, const std::function<void(size_t)>& task) {
      workers_.run(n, task);
    };
    return write_whole(fs_, join_.out, [&](File& file) -> Status {
      FileSink sink(file);
      return codec::write_joined(
          {*entities_, *source_, join_.features, winners_, run, join_.threads}, sink);
    });
  }

  Fs& fs_;
  const FeatureJoin& join_;
  Tasks workers_;
  std::unique_ptr<FileBytes> entities_;
  std::unique_ptr<FileBytes> source_;
  std::vector<std::string> wide_keys_;   // uint64 in both files.
  bool texts_ = false;                   // Among the keys.
  bool nothing_ = false;                 // A key is null in every row of a file.
  bool prune_by_time_ = false;           // The footer's bounds are times.
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
  if (const std::string unit = call.text("time-unit"); !unit.empty()) {
    const auto known = std::ranges::find(kTimeUnits, unit, [](const auto& u) { return u.first; });
    if (known == kTimeUnits.end())
      return invalid("usage.time_unit", "--time-unit is s, ms, us or ns");
    out.time_unit_ns = known->second;
  }
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
      {"time-unit", "UNIT", "Of times that are integers: s, ms, us, ns."},
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
