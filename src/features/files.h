#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "features/features.h"
#include "sys/sync.h"

// Rows that nobody pushes are there before the history is read: those of a Source that is computed
// (staging.h), and those that lie in files of the server's machine. A Source says `file:
// /data/txn.parquet` (or a directory of such files), and what the files have beyond the history is
// taken in. Files are opened below the operator's roots alone, and through no link.
//
// Invariants: a row of a file is in the history as often as the file has it, however often the file
// is read, and whether it grows, is replaced or split; rows that leave a file stay. A crash in the
// middle loses and doubles nothing. What was wrong with a file is said again until it has changed,
// without reading it again. Any thread; blocks.
//
// Errors: kNotFound `feature.file`, kForbidden `feature.file` (below no root), kUnavailable
// `feature.file` (it changes while it is read), and those of load().
namespace slip::features {

// limits
inline constexpr size_t kFilesOfSourceMax = 10'000;
inline constexpr int64_t kRowsComparedAtOnce = 4 << 20;  // A row takes about 64 bytes.

class SourceFiles {
 public:
  struct Deps {
    Features& features;
    store::Db& db;
    Fs& fs;
    Log& notes;
    std::vector<std::string> roots;  // Absolute; empty: no file is read.
    // In these and below them none is, whatever the roots are. Without links and absolute.
    std::vector<std::string> private_dirs;
    class Staging* staging = nullptr;  // Null: no source is computed.
  };
  explicit SourceFiles(Deps deps) : deps_(std::move(deps)) {}

  // Of these sources of the caller's project; ones without a file, and files that lie below no
  // root, are left as they are.
  Status refresh(const Ctx& ctx, const std::vector<std::string>& sources);
  // Of all sources that the latest views (online: of those that are) read.
  Status refresh_views(const Ctx& ctx, const std::vector<std::string>& views);
  Status refresh_plan(const Ctx& ctx, const ReadPlan& plan);

  // Whether the place (a path or file: URI) is one that may be read here.
  bool reads(const std::string& place) const { return find(place).has_value(); }
  // A file, or the files of a directory one after the other.
  Result<std::unique_ptr<FileRows>> open(const std::string& place);
  // Writes a Parquet file, or the only one of a directory, whole. kExists `feature.file_exists`
  // unless `overwrite`, and then only Parquet files are replaced. kInvalid `feature.file`: the name
  // of a file ends in ".parquet", so it can't be what another program reads.
  Status write(const std::string& place, bool overwrite,
               const std::function<Status(codec::ByteSink&)>& fill);

 private:
  struct Place {
    std::string root;
    std::string relative;
  };
  struct Stamp {
    int64_t size = 0;
    int64_t modified_us = 0;
    std::string columns;  // How the source reads it: otherwise, and the rows are other ones.
    bool operator==(const Stamp&) const = default;
  };
  std::optional<Place> find(const std::string& place) const;
  Result<std::vector<Place>> files_of(const Place& place) const;
  std::string columns_of(const Source& of) const;
  Result<std::optional<Stamp>> known(const Ctx& ctx, const std::string& source,
                                     const std::string& path);
  Result<bool> up_to_date(const Ctx& ctx, const std::string& source, const Source& of,
                          const Place& file, Stamp* now);
  Status take_in(const Ctx& ctx, const std::string& source, const Source& of, const Place& file,
                 const Stamp& now);
  // `name` behind all that it is computed from, each once.
  void add_in_order(const Ctx& ctx, const std::string& name, std::set<std::string>* seen,
                    std::vector<std::string>* order) const;
  Status refresh_files(const Ctx& ctx, const std::string& name, const Source& source);
  Status refresh_computed(const Ctx& ctx, const std::string& name);
  std::shared_ptr<sys::Mutex> mutex_of(const Ctx& ctx, const std::string& source);

  Deps deps_;
  sys::Guarded<std::map<std::string, std::shared_ptr<sys::Mutex>>> reading_;  // By project, source.
  struct Refused {
    Stamp stamp;
    Error why;
  };
  sys::Guarded<std::map<std::string, Refused>> refused_;  // By project, source and path.
};

}  // namespace slip::features
