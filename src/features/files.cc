#include "features/files.h"

#include <algorithm>
#include <array>
#include <set>
#include <unordered_map>
#include <utility>

#include "base/text.h"
#include "codec/hash.h"
#include "features/file_batches.h"
#include "features/packed.h"
#include "features/staging.h"
#include "store/plain_files.h"
#include "sys/clock.h"
#include "sys/fs.h"
#include "sys/log.h"

namespace slip::features {
namespace {

class PlainRows final : public FileRows {
 public:
  explicit PlainRows(std::unique_ptr<store::FileBytes> file) : file_(std::move(file)) {}
  Status open(codec::Format format) {
    codec::ReadOptions options;
    options.decimals = options.nested = options.nanoseconds = true;  // Which are cut.
    reader_ = TRY(codec::open_table(format, *file_, std::move(options)));
    return {};
  }
  codec::TableReader& rows() override { return *reader_; }

 private:
  std::unique_ptr<store::FileBytes> file_;
  std::unique_ptr<codec::TableReader> reader_;
};

// A file, opened once and read as often as need be.
struct Opened {
  std::shared_ptr<File> file;
  int64_t size = 0;
  std::string path;
  codec::Format format = codec::Format::kParquet;

  Result<std::unique_ptr<PlainRows>> rows() const {
    auto out = std::make_unique<PlainRows>(std::make_unique<store::FileBytes>(file, size));
    Status opened = out->open(format);
    if (!opened.ok()) return std::move(opened).error().within(path);
    return out;
  }
};

// Files one after the other; the first one says which columns there are.
class SeveralRows final : public FileRows, private codec::TableReader {
 public:
  explicit SeveralRows(std::vector<std::unique_ptr<PlainRows>> files) : files_(std::move(files)) {}
  codec::TableReader& rows() override { return *this; }

 private:
  const std::vector<codec::Field>& schema() const override { return files_[0]->rows().schema(); }
  Result<std::optional<codec::Table>> next() override {
    for (; at_ < files_.size(); ++at_) {
      if (files_[at_]->rows().schema() != schema())
        return invalid("feature.file", "the files of the directory have different columns");
      std::optional<codec::Table> batch = TRY(files_[at_]->rows().next());
      if (batch) return batch;
    }
    return std::optional<codec::Table>();
  }

  std::vector<std::unique_ptr<PlainRows>> files_;
  size_t at_ = 0;
};

std::string plain_path(const std::string& place) {
  constexpr std::string_view kScheme = "file://";
  return place.starts_with(kScheme) ? place.substr(kScheme.size()) : place;
}

// "/a/b": every part a name.
bool is_clean(const std::string& path) {
  if (!path.starts_with('/')) return false;
  const std::vector<std::string_view> parts = split(std::string_view(path).substr(1), '/');
  return std::ranges::none_of(
      parts, [](std::string_view part) { return part.empty() || part == "." || part == ".."; });
}

Error no_file(const std::string& path) {
  return not_found("feature.file", concat({"no file ", path, " on the server's machine"}));
}

Error outside(const std::string& place, std::string_view what) {
  return forbidden("feature.file", concat({plain_path(place), " may not be ", what}))
      .with_hint("the server's --feature-files names the directories whose files may");
}

codec::Format format_of(const std::string& path) {
  return codec::format_of_path(path).value_or(codec::Format::kParquet);
}

// ---- which rows of a file the history lacks

struct RowHash {
  uint64_t a = 0;
  uint64_t b = 0;
  bool operator==(const RowHash&) const = default;
};
struct Same {
  size_t operator()(const RowHash& h) const { return h.a; }
};

// Everything that a row says, as the source has it; a column that one side lacks is null there.
void hash_rows(const Batch& batch, const Source& source, std::vector<RowHash>* out) {
  const std::vector<engine::Values> values = columns_as(batch, source.columns);
  std::vector<engine::Column> columns;
  for (const engine::Values& v : values) columns.push_back(v.view());
  columns.push_back(batch.event.view());
  columns.push_back(batch.created.view());
  out->clear();
  for (int64_t i = 0; i < batch.rows(); ++i) {
    std::string row = pack_row(columns, i);
    row.push_back(batch.is_deleted(i) ? 1 : 0);
    out->push_back({codec::xxh3(row), codec::xxh3(row, 1)});
  }
}

// Rows of the file by whether they are new, found part by part so that memory is bounded.
class Comparison {
 public:
  // Rows of before `oldest_us` have left the history for good.
  Comparison(const Source& source, int64_t rows_known, int64_t oldest_us)
      : source_(source),
        oldest_us_(oldest_us),
        parts_(1 + static_cast<uint64_t>(std::max<int64_t>(rows_known, 0)) / kRowsComparedAtOnce) {}

  // `as_kept`: what the history would have of a batch; which of its rows it has in another place.
  using AsKept = std::function<Result<std::vector<bool>>(int64_t first_row, Batch* batch)>;
  Status compare(const History::View& history, const Opened& file, const AsKept& as_kept) {
    for (uint64_t part = 0; part < parts_; ++part) {
      std::unordered_map<RowHash, int64_t, Same> there;
      std::vector<RowHash> hashes;
      TRY(history.visit([&](const History::Chunk& chunk) -> Status {
        if (!chunk.batch.view.empty()) return {};  // Rows past the source, for one view.
        hash_rows(chunk.batch, source_, &hashes);
        for (const RowHash& h : hashes)
          if (h.b % parts_ == part) ++there[h];
        return {};
      }));
      const std::unique_ptr<PlainRows> rows = TRY(file.rows());
      FileBatches batches = TRY(FileBatches::open(rows->rows(), source_));
      while (std::optional<Batch> batch = TRY(batches.next())) {
        const std::vector<bool> apart = TRY(as_kept(batches.first_row(), &*batch));
        hash_rows(*batch, source_, &hashes);
        const auto first = static_cast<size_t>(batches.first_row());
        if (fresh_.size() < first + hashes.size()) fresh_.resize(first + hashes.size());
        for (size_t i = 0; i < hashes.size(); ++i)
          if (hashes[i].b % parts_ == part)
            fresh_[first + i] = !apart[i] && is_new(hashes[i], &there) && is_young(*batch, i);
      }
    }
    return {};
  }
  bool fresh(int64_t row) const {
    return static_cast<size_t>(row) < fresh_.size() && fresh_[static_cast<size_t>(row)];
  }
  bool any() const { return std::ranges::find(fresh_, true) != fresh_.end(); }

 private:
  static bool is_new(const RowHash& hash, std::unordered_map<RowHash, int64_t, Same>* there) {
    const auto found = there->find(hash);
    if (found == there->end() || found->second == 0) return true;
    --found->second;
    return false;
  }
  bool is_young(const Batch& batch, size_t row) const {
    const engine::Column event = batch.event.view();
    const auto at = static_cast<int64_t>(row);
    return event.is_null(at) || event.i64(at) >= oldest_us_;
  }

  const Source& source_;
  int64_t oldest_us_;
  uint64_t parts_;
  std::vector<bool> fresh_;
};

Result<Opened> open_file(Fs& fs, const std::string& root, const std::string& relative) {
  Opened out;
  out.path = root + relative;
  Result<std::unique_ptr<File>> file = fs.open_beneath(root, relative);
  if (!file.ok() && file.error().code == Code::kNotFound) return no_file(out.path);
  if (!file.ok()) return std::move(file).error().within(out.path);
  out.file = std::move(*file);
  out.size = TRY(out.file->size());
  out.format = format_of(relative);
  return out;
}

}  // namespace

std::optional<SourceFiles::Place> SourceFiles::find(const std::string& place) const {
  const std::string path = plain_path(place);
  const auto holds = [&](const std::string& dir) {
    return path == dir || path.starts_with(dir + "/");
  };
  if (!is_clean(path) || std::ranges::any_of(deps_.private_dirs, holds)) return std::nullopt;
  std::optional<Place> best;
  for (const std::string& root : deps_.roots) {
    const std::string folder = root.ends_with('/') ? root : root + "/";
    if (!path.starts_with(folder) || path.size() == folder.size()) continue;
    if (!best || folder.size() > best->root.size()) best = {folder, path.substr(folder.size())};
  }
  return best;
}

Result<std::unique_ptr<FileRows>> SourceFiles::open(const std::string& place) {
  const std::optional<Place> at = find(place);
  if (!at) return outside(place, "read");
  std::vector<std::unique_ptr<PlainRows>> files;
  for (const Place& one : TRY(files_of(*at))) {
    const Opened file = TRY(open_file(deps_.fs, one.root, one.relative));
    files.push_back(TRY(file.rows()));
  }
  if (files.size() == 1) return std::unique_ptr<FileRows>(std::move(files.front()));
  if (files.empty()) return no_file(plain_path(place));
  return std::unique_ptr<FileRows>(std::make_unique<SeveralRows>(std::move(files)));
}

Status SourceFiles::write(const std::string& place, bool overwrite,
                          const std::function<Status(codec::ByteSink&)>& fill) {
  constexpr std::string_view kEnding = ".parquet";
  const std::optional<Place> at = find(place);
  if (!at) return outside(place, "written");
  Place to = *at;
  std::vector<Place> before;
  if (const Result<FileInfo> there = deps_.fs.stat(at->root + at->relative); there.ok()) {
    before = TRY(files_of(*at));
    if (there->is_dir) to.relative = concat({to.relative, "/part-0", kEnding});
    if (!overwrite && !before.empty())
      return exists("feature.file_exists", concat({plain_path(place), " exists"}))
          .with_hint("allow_overwrite=True replaces it");
  }
  if (!to.relative.ends_with(kEnding))
    return invalid("feature.file", concat({plain_path(place), " doesn't end in .parquet"}));
  for (const Place& old : before) {
    const Opened file = TRY(open_file(deps_.fs, old.root, old.relative));
    std::string head(4, '\0');
    const size_t got = TRY(file.file->read_at(0, head));
    if (got > 0 && head.substr(0, got) != "PAR1")
      return exists("feature.file_exists", concat({file.path, " is no Parquet file"}));
  }
  TRY(deps_.fs.write_beneath(to.root, to.relative, [&](File& file) -> Status {
    store::FileSink sink(file);
    return fill(sink);
  }));
  for (const Place& old : before)
    if (old.relative != to.relative) TRY(deps_.fs.remove_beneath(old.root, old.relative));
  return {};
}

// The place itself, or what is in it.
Result<std::vector<SourceFiles::Place>> SourceFiles::files_of(const Place& place) const {
  const Result<FileInfo> info = deps_.fs.stat(place.root + place.relative);
  if (!info.ok()) return no_file(place.root + place.relative);
  if (!info->is_dir) return std::vector<Place>{place};
  std::vector<Place> out;
  for (const FileInfo& file : TRY(deps_.fs.list_beneath(place.root, place.relative)))
    if (!file.is_dir && codec::format_of_path(file.name))
      out.push_back({place.root, concat({place.relative, "/", file.name})});
  if (out.size() > kFilesOfSourceMax)
    return exhausted("feature.file", concat({place.root, place.relative, " has more than ",
                                             std::to_string(kFilesOfSourceMax), " files"}));
  return out;
}

Result<std::optional<SourceFiles::Stamp>> SourceFiles::known(const Ctx& ctx,
                                                             const std::string& source,
                                                             const std::string& path) {
  std::optional<Stamp> out;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    TRY(
        tx.first("SELECT size, modified_us, columns_text FROM feature_file WHERE project = ?"
                 " AND source = ? AND path = ?",
                 {ctx.project.text, source, path}, [&](const store::Row& row) {
                   out = Stamp{row.i64(0), row.i64(1), std::string(row.text(2))};
                 }));
    return {};
  }));
  return out;
}

std::string SourceFiles::columns_of(const Source& of) const {
  std::string out = concat({of.event_time, ",", of.created_time, ",", fields_text(of.columns)});
  for (const auto& [from, to] : of.renamed) out += concat({"\n", from, "=", to});
  return out;
}

Result<bool> SourceFiles::up_to_date(const Ctx& ctx, const std::string& source, const Source& of,
                                     const Place& file, Stamp* now) {
  const std::string path = file.root + file.relative;
  const Result<FileInfo> info = deps_.fs.stat(path);
  if (!info.ok()) return no_file(path);
  *now = {info->size, info->modified_us, columns_of(of)};
  return TRY(known(ctx, source, path)) == *now;
}

Status SourceFiles::take_in(const Ctx& ctx, const std::string& source, const Source& of,
                            const Place& place, const Stamp& now) {
  const Opened file = TRY(open_file(deps_.fs, place.root, place.relative));
  const auto changes = [&]() -> Status {
    const FileInfo info = TRY(deps_.fs.stat(file.path));
    if (file.size == now.size && info.size == now.size && info.modified_us == now.modified_us)
      return {};
    return unavailable("feature.file", "it changes while it is read");
  };
  const History::View history =
      TRY(deps_.features.history().read({.project = ctx.project.text, .source = source}));
  Features::Loading loading{.source = source, .to = To::kOffline, .wanted = {}};
  const int64_t oldest_us =
      of.retention_us ? deps_.features.now_us() - *of.retention_us : INT64_MIN;
  Comparison comparison(of, history.rows(), oldest_us);
  const Quarantine::Hashes apart = TRY(deps_.features.quarantine().hashes(ctx, source));
  bool any = true;
  if (history.rows() > 0 || !apart.empty() || of.retention_us) {
    TRY(comparison.compare(history, file, [&](int64_t first_row, Batch* batch) {
      batch->source = source;
      return deps_.features.as_kept(ctx, apart, first_row, batch);
    }));
    loading.wanted = [&](int64_t row) { return comparison.fresh(row); };
    any = comparison.any();
  }
  TRY(changes());
  int64_t rows = 0;
  if (any) {
    const std::unique_ptr<PlainRows> rows_of = TRY(file.rows());
    rows = TRY(deps_.features.load(ctx, loading, rows_of->rows())).rows;
  }
  deps_.notes.info("rows of a file", {{"source", source}, {"file", file.path}, {"rows", rows}});
  TRY(changes());  // What is newer is compared the next time.
  return deps_.db.write([&](store::Tx& tx) -> Status {
    TRY(
        tx.exec("INSERT INTO feature_file (project, source, path, size, modified_us, columns_text)"
                " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (project, source, path) DO UPDATE SET"
                " size = excluded.size, modified_us = excluded.modified_us,"
                " columns_text = excluded.columns_text",
                {ctx.project.text, source, file.path, now.size, now.modified_us, now.columns}));
    return {};
  });
}

std::shared_ptr<sys::Mutex> SourceFiles::mutex_of(const Ctx& ctx, const std::string& source) {
  return reading_.with([&](auto& all) {
    std::shared_ptr<sys::Mutex>& one = all[concat({ctx.project.text, "/", source})];
    if (!one) one = std::make_shared<sys::Mutex>();
    return one;
  });
}

void SourceFiles::add_in_order(const Ctx& ctx, const std::string& name, std::set<std::string>* seen,
                               std::vector<std::string>* order) const {
  if (!seen->insert(name).second) return;
  const Result<Source> source = deps_.features.source_for(ctx, name, "");
  if (source.ok() && source->computed && deps_.staging != nullptr)
    for (const auto& [table, input] : source->computed->inputs)
      add_in_order(ctx, input, seen, order);
  order->push_back(name);
}

Status SourceFiles::refresh(const Ctx& ctx, const std::vector<std::string>& sources) {
  std::set<std::string> seen;
  std::vector<std::string> order;
  for (const std::string& name : sources) add_in_order(ctx, name, &seen, &order);
  for (const std::string& name : order) {
    const Result<Source> source = deps_.features.source_for(ctx, name, "");
    if (!source.ok() || source->columns.empty()) continue;
    if (source->computed) TRY(refresh_computed(ctx, name));
    if (!source->file.empty()) TRY(refresh_files(ctx, name, *source));
  }
  return {};
}

Status SourceFiles::refresh_computed(const Ctx& ctx, const std::string& name) {
  if (deps_.staging == nullptr) return {};
  const std::shared_ptr<sys::Mutex> mutex = mutex_of(ctx, name);
  const sys::Lock lock(*mutex);
  const Source now = TRY(deps_.features.source_for(ctx, name, ""));  // After who was before us.
  return now.computed ? deps_.staging->refresh(ctx, name, now) : Status();
}

Status SourceFiles::refresh_files(const Ctx& ctx, const std::string& name, const Source& source) {
  const std::optional<Place> place = find(source.file);
  if (!place) return {};
  for (const Place& one : TRY(files_of(*place))) {
    Stamp now;
    if (TRY(up_to_date(ctx, name, source, one, &now))) continue;
    const std::shared_ptr<sys::Mutex> mutex = mutex_of(ctx, name);
    const sys::Lock lock(*mutex);
    if (TRY(up_to_date(ctx, name, source, one, &now))) continue;  // Another one read it.
    const std::string key = concat({ctx.project.text, "/", name, "\n", one.root, one.relative});
    const auto before = refused_.with([&](const auto& all) -> std::optional<Refused> {
      const auto found = all.find(key);
      return found == all.end() ? std::nullopt : std::optional(found->second);
    });
    if (before && before->stamp == now) return before->why;
    Status taken = take_in(ctx, name, source, one, now);
    if (taken.ok()) {
      refused_.with([&](auto& all) { all.erase(key); });
      continue;
    }
    Error why = std::move(taken).error().within(one.root + one.relative);
    if (why.code == Code::kInvalid)  // Its own fault, not the moment's.
      refused_.with([&](auto& all) { all.insert_or_assign(key, Refused{now, why}); });
    return why;
  }
  return {};
}

Status SourceFiles::refresh_views(const Ctx& ctx, const std::vector<std::string>& views) {
  const auto shelf = deps_.features.catalog().shelf(ctx.project.text);
  std::vector<std::string> sources;
  for (const std::string& name : views)
    if (const ViewPtr view = shelf->view(name)) sources.push_back(view->source_name);
  if (views.empty())
    for (const auto& [name, view] : shelf->latest_views)
      if (view->view().online) sources.push_back(view->source_name);
  return refresh(ctx, sources);
}

Status SourceFiles::refresh_plan(const Ctx& ctx, const ReadPlan& plan) {
  std::vector<std::string> sources;
  for (const ReadPlan::Read& read : plan.reads) sources.push_back(read.view->source_name);
  return refresh(ctx, sources);
}

}  // namespace slip::features
