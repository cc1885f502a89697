#include <array>

#include "base/text.h"
#include "cli/print.h"
#include "cli/rest.h"
#include "codec/hash.h"
#include "sys/fs.h"

namespace slip::cli {
namespace {

using codec::Json;

constexpr std::array kPartColumns = {
    Column{"SEGMENT", "segment"},   Column{"ROWS", "rows"},     Column{"BYTES", "bytes"},
    Column{"START_US", "start_us"}, Column{"END_US", "end_us"}, Column{"DIGEST", "digest"},
};

std::string parts_path(const Call& call) {
  return concat({"/deployments/", percent_encode(call.argument(0)), "/parts"});
}

Result<int> list(Call& call, Remote& remote) {
  const std::string query =
      query_of({{"from_us", call.text("from-us")}, {"to_us", call.text("to-us")}});
  print_rows(call, TRY(remote.all(parts_path(call) + query)), kPartColumns);
  return 0;
}

// The file appears under its name only when all of it is there and is what the server says.
Result<int> get(Call& call, Remote& remote, Fs& fs) {
  const std::string path = concat({parts_path(call), "/", percent_encode(call.argument(1))});
  const Json part = TRY(remote.get(path));
  const std::string digest = TRY(codec::want_string(part, "digest"));
  const std::string out = call.text("out");
  const std::string partial = out + ".partial";
  const std::unique_ptr<File> file = TRY(fs.open(partial, OpenMode::kTruncate));
  codec::Sha256Stream hash;
  const Status read = remote.download(path + "/content", [&](std::string_view piece) -> Status {
    hash.update(piece);
    return file->append(piece);
  });
  if (!read.ok()) {
    TRY(fs.remove(partial));
    return read.error();
  }
  if (const std::string got = hash.finish().text(); got != digest) {
    TRY(fs.remove(partial));
    return corrupt("archive.digest", concat({"the bytes have ", got, ", not ", digest}));
  }
  TRY(file->sync());
  TRY(fs.rename(partial, out));
  TRY(fs.sync_dir(parent_dir(out)));
  print_fields(call, part);
  return 0;
}

}  // namespace

void add_archive_commands(Commands& commands, const Connect& connect, Fs& fs) {
  const auto remote = [connect](auto run) {
    return [connect, run](Call& call) -> Result<int> {
      const std::unique_ptr<Remote> server = TRY(connect(call));
      return run(call, *server);
    };
  };
  commands.add({"archive list",
                "Logged predictions of a deployment as Parquet files, oldest first.",
                {{"DEPLOYMENT", "its name"}},
                {{"from-us", "T", "Parts with predictions at or after this Unix microsecond."},
                 {"to-us", "T", "Parts with predictions at or before it."}},
                remote(list),
                ""});
  commands.add({"archive get",
                "Fetches one of them and checks its digest.",
                {{"DEPLOYMENT", "its name"}, {"SEGMENT", "of archive list"}},
                {{"out", "PATH", "Where to; replaced when there.", true}},
                remote([&fs](Call& call, Remote& server) { return get(call, server, fs); }),
                ""});
}

}  // namespace slip::cli
