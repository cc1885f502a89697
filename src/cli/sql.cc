#include <array>

#include "base/text.h"
#include "cli/print.h"
#include "cli/rest.h"
#include "cli/sql_files.h"
#include "cli/table_files.h"
#include "codec/table.h"
#include "features/cell.h"
#include "sys/fs.h"

// `slipway sql`: one query over files of this machine.
namespace slip::cli {
namespace {

using codec::Json;

constexpr int64_t kRowsShown = 1000;

Json json_at(const codec::Column& column, int64_t row) {
  if (column.is_null(row)) return nullptr;
  switch (column.type) {
    case codec::ColumnType::kBool:
      return column.boolean(row);
    case codec::ColumnType::kInt64:
      return column.i64(row);
    case codec::ColumnType::kDouble:
      return column.f64(row);
    case codec::ColumnType::kText:
      return std::string(column.text(row));
    case codec::ColumnType::kBytes:
      return to_base64(column.text(row));
    case codec::ColumnType::kTimestampUs:
      return features::time_text(column.i64(row));
  }
  return nullptr;
}

Result<int> write(Call& call, Fs& fs, codec::TableReader& rows) {
  const std::string path = call.text("out");
  const codec::Format format = TRY(table_format(path));
  int64_t n = 0;
  TRY(write_whole(fs, path, [&](File& file) -> Status {
    FileSink sink(file);
    const auto writer = TRY(codec::make_table_writer(format, rows.schema(), sink));
    while (const std::optional<codec::Table> batch = TRY(rows.next())) {
      TRY(writer->write(*batch));
      n += batch->rows;
    }
    return writer->finish();
  }));
  call.terminal.err(concat({std::to_string(n), " rows in ", path, "\n"}));
  return 0;
}

Result<int> show(Call& call, codec::TableReader& rows) {
  Json items = Json::array();
  int64_t n = 0;
  while (const std::optional<codec::Table> batch = TRY(rows.next()))
    for (int64_t i = 0; i < batch->rows; ++i, ++n) {
      if (n >= kRowsShown) continue;
      Json row = Json::object();
      for (size_t c = 0; c < batch->columns.size(); ++c)
        row.set(batch->schema[c].name, json_at(batch->columns[c], i));
      items.push(std::move(row));
    }
  std::vector<Column> columns;
  for (const codec::Field& f : rows.schema()) columns.push_back({f.name, f.name});
  print_rows(call, Json::object({{"items", std::move(items)}}), columns);
  if (n > kRowsShown)
    call.terminal.err(concat({"the first ", std::to_string(kRowsShown), " of ", std::to_string(n),
                              " rows; --out FILE writes them all\n"}));
  return 0;
}

Result<int> sql(Call& call, const Machine& machine) {
  const std::optional<int64_t> memory = parse_size(call.text("memory", "1GiB"));
  if (!memory || *memory <= 0) return invalid("usage.size", "--memory is a size, such as 1GiB");
  if (call.has("out")) TRY(table_format(call.text("out")));
  FileQueries files(machine.fs, machine.process, *memory);
  for (const std::string& table : call.list("table")) {
    const size_t equals = table.find('=');
    const bool named = equals != table.npos && table.find('/') > equals;
    const std::string path = named ? table.substr(equals + 1) : table;
    TRY(files.add(named ? table.substr(0, equals) : stem(path), path));
  }
  const std::unique_ptr<codec::TableReader> rows = TRY(files.select(call.argument(0)));
  return call.has("out") ? write(call, machine.fs, *rows) : show(call, *rows);
}

}  // namespace

Result<query::Database*> FileQueries::open() {
  if (db_) return db_.get();
  scratch_.emplace(TRY(Scratch::make(fs_, process_)));
  db_ = TRY(query::Database::open({.dir = scratch_->path(), .memory_bytes = memory_bytes_}));
  return db_.get();
}

Status FileQueries::add(const std::string& table, const std::string& path,
                        std::vector<std::string> as_text) {
  const codec::Format format = TRY(table_format(path));
  const std::unique_ptr<FileBytes> bytes = TRY(FileBytes::open(fs_, path));
  codec::ReadOptions options;
  options.as_text = std::move(as_text);
  options.decimals = options.nested = options.nanoseconds = true;
  Result<std::unique_ptr<codec::TableReader>> rows =
      codec::open_table(format, *bytes, std::move(options));
  if (!rows.ok()) return std::move(rows).error().within(path);
  Status filled = query::fill(*TRY(open()), table, **rows);
  if (!filled.ok()) return std::move(filled).error().within(path);
  return {};
}

Result<std::unique_ptr<codec::TableReader>> FileQueries::select(const std::string& query) {
  query::Database* db = TRY(open());
  return db->select(query);
}

Result<double> FileQueries::scalar(const std::string& query) {
  const std::unique_ptr<codec::TableReader> rows = TRY(select(query));
  const std::optional<codec::Table> first = TRY(rows->next());
  if (!first || first->columns.size() != 1 || first->rows != 1)
    return invalid("contract.sql", "a query of a check has one row with one value");
  const codec::Column& value = first->columns[0];
  if (value.is_null(0)) return invalid("contract.sql", "the query's value is null");
  switch (value.type) {
    case codec::ColumnType::kBool:
      return value.boolean(0) ? 1.0 : 0.0;
    case codec::ColumnType::kInt64:
      return static_cast<double>(value.i64(0));
    case codec::ColumnType::kDouble:
      return value.f64(0);
    default:
      return invalid("contract.sql", "the query's value is no number");
  }
}

void add_sql_commands(Commands& commands, const Machine& machine) {
  commands.add(
      {"sql",
       "One query over files of this machine.",
       {{"QUERY", "SELECT …, in DuckDB's SQL"}},
       {{"table", "[NAME=]PATH", "Parquet, CSV, JSONL or Arrow [the file's name].", false, true},
        {"out", "PATH", "Where the rows go; the format by its name."},
        {"memory", "SIZE", "What the query may take; more goes to TMPDIR [1GiB]."}},
       [machine](Call& call) { return sql(call, machine); },
       "It reads the tables that are named, and nothing else. Without --out the first 1000 "
       "rows are shown."});
}

}  // namespace slip::cli
