#include <array>

#include "base/text.h"
#include "cli/files.h"
#include "cli/print.h"
#include "cli/rest.h"
#include "sys/fs.h"

namespace slip::cli {
namespace {

using codec::Json;

constexpr std::array kDatasetColumns = {
    Column{"DATASET", "name"},
    Column{"VERSIONS", "versions_count"},
    Column{"LATEST", "latest_version"},
    Column{"FORMAT", "format"},
    Column{"ROWS", "rows"},
    Column{"BYTES", "bytes"},
    Column{"UPDATED_MS", "updated_ms"},
};
constexpr std::array kVersionColumns = {
    Column{"VERSION", "version"}, Column{"ROWS", "rows"},     Column{"BYTES", "bytes"},
    Column{"FORMAT", "format"},   Column{"DIGEST", "digest"}, Column{"MESSAGE", "message"},
};

// --format, else what the file's name ends with.
Result<std::string> format_of(const Call& call, std::string_view path) {
  if (call.has("format")) return call.text("format");
  for (const std::string_view known : {"jsonl", "csv", "parquet"})
    if (path.ends_with(concat({".", known}))) return std::string(known);
  return invalid("usage.format", concat({"what format is ", path, "?"}))
      .with_hint("--format jsonl, csv or parquet");
}

std::string versions_path(std::string_view name) {
  return concat({"/datasets/", percent_encode(name), "/versions"});
}

Result<int> add(Call& call, Remote& remote, Fs& fs) {
  const std::string path = call.argument(0);
  const std::string format = TRY(format_of(call, path));
  const std::unique_ptr<File> file = TRY(fs.open(path, OpenMode::kRead));
  const int64_t bytes = TRY(file->size());
  FileSource source(*file);
  const std::string query = query_of({{"format", format}, {"message", call.text("message")}});
  print_fields(call, TRY(remote.upload(versions_path(call.text("name")) + query, source, bytes)));
  return 0;
}

Result<int> list(Call& call, Remote& remote) {
  print_rows(call, TRY(remote.all("/datasets")), kDatasetColumns);
  return 0;
}

Result<int> show(Call& call, Remote& remote) {
  const std::string path = versions_path(call.argument(0));
  const std::optional<int64_t> version = TRY(call.number("version"));
  if (version) {
    print_fields(call, TRY(remote.get(concat({path, "/", std::to_string(*version)}))));
  } else {
    print_rows(call, TRY(remote.all(path)), kVersionColumns);
  }
  return 0;
}

}  // namespace

void add_data_commands(Commands& commands, const Connect& connect, Fs& fs) {
  const auto remote = [connect](auto run) {
    return [connect, run](Call& call) -> Result<int> {
      const std::unique_ptr<Remote> server = TRY(connect(call));
      return run(call, *server);
    };
  };
  commands.add({"data add",
                "Commits a file of rows as an immutable version of a dataset.",
                {{"PATH", "JSONL, CSV or Parquet"}},
                {{"name", "NAME", "The dataset; made when new.", true},
                 {"message", "TEXT", "What this version is."},
                 {"format", "FORMAT", "jsonl, csv or parquet [by the file's name]."}},
                remote([&fs](Call& call, Remote& server) { return add(call, server, fs); }),
                "The same bytes under the same name are the same version."});
  commands.add({"data list", "Datasets of the project.", {}, {}, remote(list), ""});
  commands.add({"data show",
                "The versions of a dataset, or one of them with its schema.",
                {{"NAME", "the dataset"}},
                {{"version", "N", "This version."}},
                remote(show),
                ""});
}

}  // namespace slip::cli
