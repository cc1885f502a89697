#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "features/features.h"
#include "sys/sync.h"

// Rows that lie in files of the server's machine: a Source says `file: /data/txn.parquet` (or a
// directory of such files), and what the files have beyond the history is taken in before the
// history is read. Files are opened below the operator's roots alone, and through no link.
//
// Invariants: a row of a file is in the history as often as the file has it, however often the file
// is read, and whether it grows, is written anew or split; rows that leave a file stay. A crash in
// the middle loses and doubles nothing. Any thread; blocks.
//
// Errors: kNotFound `feature.file`, kForbidden `feature.file` (below no root), and those of
// load().
namespace slip::features {

// limits
inline constexpr size_t kFilesOfSourceMax = 10'000;
inline constexpr int64_t kRowsComparedAtOnce = 4 << 20;  // A row takes about 40 bytes.

class SourceFiles {
 public:
  struct Deps {
    Features& features;
    store::Db& db;
    Fs& fs;
    Log& notes;
    std::vector<std::string> roots;  // Absolute; empty: no file is read.
    std::string data_dir;            // Below it none is, whatever the roots are.
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
  // Replaces a file, whole, or what is in a directory. kExists `feature.file_exists` unless
  // `overwrite`.
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
    std::string columns;  // Of the source: one more, and the rows are other ones.
    bool operator==(const Stamp&) const = default;
  };
  std::optional<Place> find(const std::string& place) const;
  Result<std::vector<Place>> files_of(const Place& place) const;
  Result<std::optional<Stamp>> known(const Ctx& ctx, const std::string& source,
                                     const std::string& path);
  Status take_in(const Ctx& ctx, const std::string& source, const Source& of, const Place& file);

  Deps deps_;
  sys::Mutex reading_;
};

}  // namespace slip::features
