#include "cli/table_files.h"

#include "base/text.h"

namespace slip::cli {

engine::Type engine_type(codec::ColumnType type) {
  switch (type) {
    case codec::ColumnType::kBool:
      return engine::Type::kBool;
    case codec::ColumnType::kInt64:
      return engine::Type::kInt64;
    case codec::ColumnType::kDouble:
      return engine::Type::kDouble;
    case codec::ColumnType::kText:
      return engine::Type::kText;
    case codec::ColumnType::kBytes:
      return engine::Type::kBytes;
    case codec::ColumnType::kTimestampUs:
      return engine::Type::kTimestampUs;
  }
  return engine::Type::kText;
}

engine::Column view(const codec::Column& from) {
  engine::Column out;
  out.type = engine_type(from.type);
  out.n = from.n;
  out.validity = from.validity.empty() ? nullptr : from.validity.data();
  out.offsets = from.offsets.empty() ? nullptr : from.offsets.data();
  out.data = from.data.data();
  return out;
}

std::vector<engine::Column> views(const codec::Table& table) {
  std::vector<engine::Column> out;
  for (const codec::Column& c : table.columns) out.push_back(view(c));
  return out;
}

std::vector<contract::FieldFact> facts_of(const std::vector<codec::Field>& schema) {
  std::vector<contract::FieldFact> out;
  for (const codec::Field& f : schema)
    out.push_back({f.name, engine_type(f.type), f.type_name, f.readable});
  return out;
}

Result<codec::Format> table_format(std::string_view path) {
  const std::optional<codec::Format> format = codec::format_of_path(path);
  if (format && *format != codec::Format::kArrow) return *format;
  return invalid("usage.format", concat({"what format is ", path, "?"}))
      .with_hint("its name ends with .parquet, .csv or .jsonl");
}

std::string stem(std::string_view path) {
  path = path.substr(path.rfind('/') + 1);
  return std::string(path.substr(0, path.find('.')));
}

Status write_whole(Fs& fs, const std::string& path, const std::function<Status(File&)>& fill) {
  const std::string part = path + ".part";
  const Status done = [&]() -> Status {
    const std::unique_ptr<File> file = TRY(fs.open(part, OpenMode::kTruncate));
    TRY(fill(*file));
    TRY(file->sync());
    return fs.rename(part, path);
  }();
  if (!done.ok()) {
    ignore(fs.remove(part), "the error that led here says more");
    return done;
  }
  return fs.sync_dir(parent_dir(path));
}

}  // namespace slip::cli
