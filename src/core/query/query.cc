#include "core/query/query.h"

#include <array>
#include <utility>

#include "base/check.h"
#include "base/text.h"
#include "core/query/convert.h"
#include "core/query/duckdb_api.h"
#include "core/query/watchdog.h"

namespace slip::query {
namespace {

constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

// Ends what the engine made, whichever way it is left.
class Handle {
 public:
  explicit Handle(void (*end)(void**)) : end_(end) {}
  ~Handle() { drop(); }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  void** out() {
    drop();
    return &value_;
  }
  void* get() const { return value_; }

 private:
  void drop() {
    if (value_ != nullptr) end_(&value_);
    value_ = nullptr;
  }
  void (*end_)(void**);
  void* value_ = nullptr;
};

Error out_of_time() { return timed_out("sql.time", "the query takes too long"); }

// The engine's words say what went wrong as "Binder Error: …".
Error error_of(const char* words) {
  const std::string text(trim(words == nullptr ? "the engine says nothing" : words));
  if (text.starts_with("INTERRUPT")) return out_of_time();
  if (text.starts_with("Out of Memory"))
    return exhausted("sql.memory", text.substr(0, text.find('\n')));
  if (text.starts_with("IO Error")) return unavailable("sql.engine", text);
  return invalid("sql.query", text);
}

// Behind blanks and comments; "(" is a word. Asked before the engine is: preparing some statements
// (EXPORT DATABASE) already makes directories.
bool begins_like_a_query(std::string_view text) {
  for (;;) {
    text = trim(text);
    size_t end = 0;
    if (text.starts_with("--")) {
      end = text.find('\n');
    } else if (text.starts_with("/*")) {
      end = text.find("*/", 2);
    } else {
      break;
    }
    if (end == text.npos) return true;  // Nothing but comments, which the engine tells of.
    text.remove_prefix(end + (text[end] == '*' ? 2 : 1));
  }
  if (text.empty() || text.starts_with('(')) return true;
  const std::string word = lower(text.substr(0, text.find_first_not_of(kLetters)));
  return word == "select" || word == "with" || word == "values" || word == "from";
}

class DuckDatabase final : public Database {
 public:
  DuckDatabase(const DuckApi& api, Options options) : api_(api), options_(std::move(options)) {}
  ~DuckDatabase() override {
    watchdog_.reset();
    if (filling_ != nullptr) api_.disconnect(&filling_);
    if (connection_ != nullptr) api_.disconnect(&connection_);
    if (database_ != nullptr) api_.close(&database_);
  }
  DuckDatabase(const DuckDatabase&) = delete;
  DuckDatabase& operator=(const DuckDatabase&) = delete;

  Status open();
  Status create(std::string_view table, const std::vector<codec::Field>& columns) override;
  Status append(std::string_view table, const codec::Table& rows) override;
  Result<std::unique_ptr<codec::TableReader>> select(std::string_view query) override;

 private:
  Status run(void* connection, const std::string& statement);
  // Prepares the only statement of `text`, which must be a SELECT.
  Status prepare(const std::string& text, void** statement);
  Result<std::string> with_casts(void* statement, const std::string& text,
                                 std::vector<codec::Field>* schema);

  const DuckApi& api_;
  Options options_;
  void* database_ = nullptr;
  void* connection_ = nullptr;
  void* filling_ = nullptr;  // Another one, so that a query's rows may come meanwhile.
  std::unique_ptr<Watchdog> watchdog_;
};

class QueryRows final : public codec::TableReader {
 public:
  QueryRows(const DuckApi& api, const Options& options, Watchdog* watchdog)
      : api_(api), options_(options), watch_(watchdog), statement_(api.destroy_prepare) {}
  ~QueryRows() override {
    if (result_.internal != nullptr) api_.destroy_result(&result_);
  }
  QueryRows(const QueryRows&) = delete;
  QueryRows& operator=(const QueryRows&) = delete;

  Handle& statement() { return statement_; }
  // The types of the statement's columns, then everything up to the first rows.
  Status start(std::vector<codec::Field> schema) {
    schema_ = std::move(schema);
    for (uint64_t i = 0; i < schema_.size(); ++i)
      types_.push_back(api_.prepared_statement_column_type(statement_.get(), i));
    Handle pending(api_.destroy_pending);
    if (api_.pending_prepared_streaming(statement_.get(), pending.out()) != 0)
      return error_of(api_.pending_error(pending.get()));
    for (int state = 1; state != kDuckReady;) {
      if (over()) return out_of_time();
      state = api_.pending_execute_task(pending.get());
      if (state == kDuckPendingError) return error_of(api_.pending_error(pending.get()));
    }
    if (api_.execute_pending(pending.get(), &result_) != 0)
      return error_of(api_.result_error(&result_));
    return {};
  }

  const std::vector<codec::Field>& schema() const override { return schema_; }
  Result<std::optional<codec::Table>> next() override {
    codec::Table out = codec::make_table(schema_);
    while (!done_ && out.rows < codec::kTableBatchRows) {
      if (over()) return out_of_time();
      Handle chunk(api_.destroy_data_chunk);
      *chunk.out() = api_.fetch_chunk(result_);
      if (chunk.get() == nullptr) {
        const char* words = api_.result_error(&result_);
        if (words != nullptr && *words != '\0') return error_of(words);
        if (over()) return out_of_time();  // Interrupted: that there are no more isn't said.
        done_ = true;
        break;
      }
      const auto rows = static_cast<int64_t>(api_.data_chunk_get_size(chunk.get()));
      for (size_t c = 0; c < schema_.size(); ++c) {
        void* vector = api_.data_chunk_get_vector(chunk.get(), c);
        Status taken = take(api_, types_[c], vector, rows, &out.columns[c]);
        if (!taken.ok()) return std::move(taken).error().within(schema_[c].name);
      }
      out.rows += rows;
    }
    if (out.rows == 0) return std::optional<codec::Table>();
    return std::optional(std::move(out));
  }

 private:
  bool over() const { return options_.over && options_.over(); }

  const DuckApi& api_;
  const Options& options_;
  const Watchdog::Watch watch_;  // From the query's preparation to its last row.
  std::vector<codec::Field> schema_;
  std::vector<DuckType> types_;
  Handle statement_;
  DuckResult result_ = {};
  bool done_ = false;
};

Status DuckDatabase::open() {
  Handle config(api_.destroy_config);
  if (api_.create_config(config.out()) != 0) return unavailable("sql.engine", "it has no settings");
  const auto mebibytes = [](int64_t bytes) {
    return concat({std::to_string(std::max<int64_t>(bytes >> 20, 16)), "MiB"});
  };
  // Files are allowed until the directory is known; then nothing else, and for good.
  const std::array<std::pair<const char*, std::string>, 7> settings = {{
      {"threads", "1"},  // The caller's.
      {"memory_limit", mebibytes(options_.memory_bytes)},
      {"temp_directory", options_.dir},
      {"max_temp_directory_size", mebibytes(options_.disk_bytes)},
      {"autoinstall_known_extensions", "false"},
      {"autoload_known_extensions", "false"},
      {"allow_community_extensions", "false"},
  }};
  for (const auto& [name, value] : settings)
    if (api_.set_config(config.get(), name, value.c_str()) != 0)
      return unavailable("sql.engine", concat({"it knows no setting ", name}));
  char* why = nullptr;
  if (api_.open_ext(nullptr, &database_, config.get(), &why) != 0) {
    Error error = unavailable("sql.engine", why == nullptr ? "it doesn't start" : why);
    api_.free(why);
    return error;
  }
  if (api_.connect(database_, &connection_) != 0 || api_.connect(database_, &filling_) != 0)
    return unavailable("sql.engine", "it takes no connection");
  std::string dir;
  for (const char c : options_.dir) dir.append(c == '\'' ? 2 : 1, c);
  TRY(run(connection_, "SET TimeZone = 'UTC'"));
  TRY(run(connection_, concat({"SET allowed_directories = ['", dir, "/']"})));
  TRY(run(connection_, "SET enable_external_access = false"));
  TRY(run(connection_, "SET lock_configuration = true"));
  if (options_.over && options_.executor != nullptr && options_.clock != nullptr)
    watchdog_ = std::make_unique<Watchdog>(Watchdog::Deps{*options_.executor, *options_.clock},
                                           options_.over, [this] { api_.interrupt(connection_); });
  return {};
}

Status DuckDatabase::run(void* connection, const std::string& statement) {
  DuckResult result = {};
  const int state = api_.query(connection, statement.c_str(), &result);
  Status out;
  if (state != 0) out = error_of(api_.result_error(&result));
  api_.destroy_result(&result);
  return out;
}

std::string_view sql_type(codec::ColumnType type) {
  switch (type) {
    case codec::ColumnType::kBool:
      return "BOOLEAN";
    case codec::ColumnType::kInt64:
      return "BIGINT";
    case codec::ColumnType::kDouble:
      return "DOUBLE";
    case codec::ColumnType::kText:
      return "VARCHAR";
    case codec::ColumnType::kBytes:
      return "BLOB";
    case codec::ColumnType::kTimestampUs:
      return "TIMESTAMP";
  }
  CHECK(false);
}

Status DuckDatabase::create(std::string_view table, const std::vector<codec::Field>& columns) {
  std::string text = concat({"CREATE TABLE ", quoted(table), " ("});
  for (size_t i = 0; i < columns.size(); ++i)
    text += concat({i == 0 ? "" : ", ", quoted(columns[i].name), " ", sql_type(columns[i].type)});
  Status made = run(filling_, text + ")");
  if (!made.ok()) return invalid("sql.table", concat({"table ", table, ": ", made.error().text}));
  return {};
}

Status DuckDatabase::append(std::string_view table, const codec::Table& rows) {
  const std::string name(table);
  void* appender = nullptr;
  const auto failed = [&]() -> Error {
    const char* words = appender == nullptr ? nullptr : api_.appender_error(appender);
    Error error = error_of(words == nullptr ? "no such table" : words);
    if (appender != nullptr) api_.appender_destroy(&appender);
    return std::move(error).within(concat({"table ", table}));
  };
  if (api_.appender_create(filling_, nullptr, name.c_str(), &appender) != 0) return failed();
  std::vector<void*> types;
  for (const codec::Column& c : rows.columns)
    types.push_back(api_.create_logical_type(type_for(c.type)));
  Handle chunk(api_.destroy_data_chunk);
  *chunk.out() = api_.create_data_chunk(types.data(), types.size());
  for (void*& type : types) api_.destroy_logical_type(&type);
  const auto at_once = static_cast<int64_t>(api_.vector_size());
  for (int64_t from = 0; from < rows.rows; from += at_once) {
    const int64_t n = std::min(at_once, rows.rows - from);
    api_.data_chunk_reset(chunk.get());
    for (size_t c = 0; c < rows.columns.size(); ++c)
      put(api_, rows.columns[c], from, n, api_.data_chunk_get_vector(chunk.get(), c));
    api_.data_chunk_set_size(chunk.get(), static_cast<uint64_t>(n));
    if (api_.append_data_chunk(appender, chunk.get()) != 0) return failed();
  }
  if (api_.appender_close(appender) != 0) return failed();
  api_.appender_destroy(&appender);
  if (options_.over && options_.over()) return out_of_time();
  return {};
}

Status DuckDatabase::prepare(const std::string& text, void** statement) {
  const auto other = [] {
    return invalid("sql.query", "a query that only reads is wanted: SELECT, WITH, VALUES or FROM");
  };
  if (!begins_like_a_query(text)) return other();
  Handle extracted(api_.destroy_extracted);
  const uint64_t n = api_.extract_statements(connection_, text.c_str(), extracted.out());
  if (n == 0) {
    const char* words = api_.extract_statements_error(extracted.get());
    if (words == nullptr || *words == '\0') return invalid("sql.query", "there is no query");
    return error_of(words);
  }
  if (n > 1) return invalid("sql.query", "one query is wanted, not several");
  if (api_.prepare_extracted_statement(connection_, extracted.get(), 0, statement) != 0)
    return error_of(api_.prepare_error(*statement));
  if (api_.prepared_statement_type(*statement) != kDuckSelect) return other();
  if (api_.nparams(*statement) > 0)
    return invalid("sql.query", "the query has parameters, and nobody to fill them in");
  return {};
}

// "" when every column is of a type of ours; else the query around the view of `text`.
Result<std::string> DuckDatabase::with_casts(void* statement, const std::string& text,
                                             std::vector<codec::Field>* schema) {
  bool all_native = true;
  std::string casts;
  std::string names;
  const uint64_t n = api_.prepared_statement_column_count(statement);
  for (uint64_t i = 0; i < n; ++i) {
    const char* name = api_.prepared_statement_column_name(statement, i);
    const DuckType type = api_.prepared_statement_column_type(statement, i);
    codec::Field field = codec::make_field(name == nullptr ? "" : name, column_for(type));
    api_.free(const_cast<char*>(name));
    for (const codec::Field& other : *schema)
      if (other.name == field.name)
        return invalid("sql.column", concat({"two columns of the query are called ", field.name}));
    const std::string place = concat({"c", std::to_string(i)});
    const Cast cast = cast_of(type, place);
    if (!cast.type_name.empty()) field.type_name = cast.type_name;
    all_native = all_native && is_native(type);
    names += concat({i == 0 ? "" : ", ", place});
    casts += concat({i == 0 ? "" : ", ", cast.expression, " AS ", quoted(field.name)});
    schema->push_back(std::move(field));
  }
  if (all_native) return std::string();
  // The query is the end of the statement, so that comments and semicolons at its end may stay.
  TRY(run(connection_,
          concat({"CREATE OR REPLACE TEMP VIEW _slipway_query(", names, ") AS ", text})));
  return concat({"SELECT ", casts, " FROM _slipway_query"});
}

Result<std::unique_ptr<codec::TableReader>> DuckDatabase::select(std::string_view query) {
  if (query.size() > kQueryBytesMax) return invalid("sql.query", "a query has at most 256 KiB");
  if (query.find('\0') != std::string_view::npos)
    return invalid("sql.query", "a query has no zero bytes");
  const std::string text(query);
  auto rows = std::make_unique<QueryRows>(api_, options_, watchdog_.get());
  Handle& statement = rows->statement();
  TRY(prepare(text, statement.out()));
  std::vector<codec::Field> schema;
  const std::string casted = TRY(with_casts(statement.get(), text, &schema));
  if (!casted.empty()) TRY(prepare(casted, statement.out()));
  TRY(rows->start(std::move(schema)));
  return std::unique_ptr<codec::TableReader>(std::move(rows));
}

}  // namespace

Result<std::unique_ptr<Database>> Database::open(Options options) {
  const DuckApi* api = TRY(duck_api());
  auto out = std::make_unique<DuckDatabase>(*api, std::move(options));
  TRY(out->open());
  return std::unique_ptr<Database>(std::move(out));
}

Status fill(Database& database, std::string_view table, codec::TableReader& rows) {
  std::vector<codec::Field> columns;
  for (const codec::Field& f : rows.schema())
    if (f.readable) columns.push_back(f);
  TRY(database.create(table, columns));
  while (const std::optional<codec::Table> batch = TRY(rows.next()))
    TRY(database.append(table, *batch));
  return {};
}

std::string quoted(std::string_view name) {
  std::string out = "\"";
  for (const char c : name) out.append(c == '"' ? 2 : 1, c);
  return out + '"';
}

}  // namespace slip::query
