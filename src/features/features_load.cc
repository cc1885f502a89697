#include <algorithm>
#include <unordered_map>

#include "base/text.h"
#include "codec/hash.h"
#include "core/ledger/ledger.h"
#include "engine/window/backfill.h"
#include "engine/window/bytes.h"
#include "features/features.h"
#include "features/file_batches.h"
#include "features/history_owner.h"
#include "features/materialized.h"
#include "features/packed.h"
#include "features/ready.h"
#include "features/rebuild.h"
#include "features/redis_mirror.h"
#include "features/screened.h"
#include "store/blob_files.h"
#include "sys/clock.h"
#include "sys/fs.h"
#include "sys/log.h"
#include "sys/rng.h"

// Files in, history online, and the online table to the disk and back.
namespace slip::features {
namespace {

constexpr std::string_view kMagic = "SLPFEAT2";
constexpr std::string_view kMagicWithoutGivenUp = "SLPFEAT1";
constexpr int64_t kSnapshotLogBytes = 64 << 20;  // Of arrivals between two snapshots.
constexpr size_t kSnapshotBufferBytes = 1 << 20;
constexpr size_t kWarningsMax = 20;  // Of one file.
constexpr size_t kFrameBytesMax = 256 << 20;

class BlobRows final : public FileRows {
 public:
  explicit BlobRows(std::unique_ptr<store::BlobReader> blob) : source_(std::move(blob)) {}
  Status open(codec::Format format) {
    codec::ReadOptions options;
    options.decimals = options.nested = options.nanoseconds = true;  // Which are cut.
    reader_ = TRY(codec::open_table(format, source_, std::move(options)));
    return {};
  }
  codec::TableReader& rows() override { return *reader_; }

 private:
  store::BlobSource source_;
  std::unique_ptr<codec::TableReader> reader_;
};

ledger::Draft loaded_event(const Features::Loading& loading, const Segment& segment,
                           int64_t quarantined) {
  ledger::Draft out;
  out.verb = loading.computed ? "feature_source.computed" : "feature_source.loaded";
  out.subject = {.kind = "feature_source",
                 .uid = loading.source,
                 .name = loading.source,
                 .version = "",
                 .digest = concat({"sha256:", segment.digest})};
  out.body = codec::Json::object({{"rows", segment.rows},
                                  {"quarantined", quarantined},
                                  {"first_seq", segment.first_seq},
                                  {"last_seq", segment.last_seq}});
  return out;
}

}  // namespace

Result<std::unique_ptr<FileRows>> Features::open_file(codec::Format format,
                                                      std::unique_ptr<store::BlobDraft> draft) {
  const store::Digest digest = TRY(draft->commit());
  auto out = std::make_unique<BlobRows>(TRY(deps_.blobs.open(digest)));
  TRY(out->open(format));
  return std::unique_ptr<FileRows>(std::move(out));
}

namespace {

Segment segment_of(const Ctx& ctx, const std::string& source, std::vector<FeatureField> schema) {
  Segment out;
  out.project = ctx.project.text;
  out.source = source;
  out.loaded = true;
  out.numbered = false;
  out.to = To::kOffline;
  out.schema = std::move(schema);
  return out;
}

void number(const Turn& turn, Segment* segment) {
  segment->first_seq = turn.first_seq;
  segment->last_seq = turn.first_seq + segment->rows - 1;
  segment->ingest_us = turn.ingest_us;
}

}  // namespace

Result<Features::Pushed> Features::load(const Ctx& ctx, const Loading& loading,
                                        codec::TableReader& rows) {
  TRY(own());
  const std::shared_ptr<const Shelf> shelf = catalog_.shelf(ctx.project.text);
  const Source source = TRY(source_for(ctx, loading.source, ""));
  if (!loading.computed) TRY(check_given(source, loading.source));
  const std::vector<ViewPtr> views = shelf->views_of(loading.source);
  if (deps_.mirror != nullptr && goes_online(loading.to)) TRY(deps_.mirror->claim(views));
  FileBatches file = TRY(FileBatches::open(rows, source));
  const auto writer =
      TRY(SegmentWriter::make(deps_.blobs, segment_of(ctx, loading.source, file.schema())));
  Pushed out;
  QuarantineLoad apart(quarantine_, ctx, loading.source, new_uuid7(deps_.clock, deps_.rng).text());
  for (;;) {
    std::optional<Batch> next = TRY(file.next());
    if (!next) break;
    Batch batch =
        loading.wanted ? wanted_rows(*next, file.first_row(), loading.wanted) : std::move(*next);
    Status fine = check(batch, source, views);
    if (!fine.ok())
      return std::move(fine).error().within(
          concat({"rows from ", std::to_string(file.first_row())}));
    batch.source = loading.source;
    if (!loading.computed) {
      Screened screened = TRY(screen(ctx, std::move(batch), {.first_row = file.first_row()}));
      batch = std::move(screened.batch);
      TRY(apart.add(screened.apart));
      std::ranges::move(screened.warnings, std::back_inserter(out.warnings));
      if (out.warnings.size() > kWarningsMax) out.warnings.resize(kWarningsMax);
    }
    for (const ViewPtr& view : views)
      if (!view->row.empty() || view->filter) TRY(transform_for(batch, view));
    TRY(writer->add(batch));
    out.rows += batch.rows();
  }
  const int64_t n = out.rows;
  out.quarantined = apart.rows();
  if (n == 0) {
    TRY(apart.publish_alone());
    return out;
  }
  Segment segment = TRY(writer->finish());
  const Turn turn = turns_.take(n);
  number(turn, &segment);
  const ledger::Draft event = loaded_event(loading, segment, out.quarantined);
  const Status kept = [&]() -> Status {
    if (loading.computed) TRY(history_.erasures().check(ctx.project.text, *loading.computed));
    return deps_.db.write([&](store::Tx& tx) -> Status {
      TRY(history_.publish(tx, segment));
      TRY(apart.publish(tx));
      return deps_.ledger.append(tx, ctx, event);
    });
  }();
  turns_.await(turn);
  turns_.end(turn, turn.first_seq + n - 1);
  TRY(kept);
  ignore(apart.published(), "what comes next makes room");
  if (goes_online(loading.to)) {
    const sys::Lock lock(materializing_);
    for (const ViewPtr& view : views) {
      if (!view->view().online) continue;
      Materialization what;
      if (!view->plan) what.after_seq = turn.first_seq - 1;
      int64_t looked = 0;
      TRY(bring(view, what, &looked));
    }
  }
  out.first_seq = turn.first_seq;
  return out;
}

Status Features::bring_online(const ViewPtr& view, const Materialization& what, int64_t* rows) {
  History::Reading reading;
  reading.project = view->project;
  reading.source = view->source_name;
  reading.online_only = true;  // Of a view that is new they aren't there yet.
  if (what.after_until_us == INT64_MAX) reading.after_seq = what.after_seq;
  const History::View history = TRY(history_.read(reading));
  return history.visit([&](const History::Chunk& chunk) -> Status {
    const Batch& b = chunk.batch;
    if (!b.view.empty() && b.view != view->name) return {};
    const engine::Column event = b.event.view();
    Batch part = make_batch(b.schema);
    part.project = view->project;
    part.source = view->source_name;
    part.view = view->name;
    part.to = To::kOnline;
    part.seqs.emplace(engine::Type::kInt64);
    part.ingested.emplace(engine::Type::kTimestampUs);
    for (int64_t i = 0; i < b.rows(); ++i) {
      const int64_t t = event.i64(i);
      if (t < what.start_us || t > what.until_us) continue;
      if (b.seq(i) <= what.after_seq && t <= what.after_until_us) continue;
      if (b.seq(i) > what.through_seq) continue;
      for (size_t c = 0; c < part.columns.size(); ++c)
        part.columns[c].add_from(b.columns[c].view(), i);
      part.event.add_i64(t);
      part.created.add_from(b.created.view(), i);
      part.deleted.add_bool(b.is_deleted(i));
      part.seqs->add_i64(b.seq(i));
      part.ingested->add_i64(b.ingest(i));
    }
    if (part.rows() == 0) return {};
    *rows += part.rows();
    const std::vector<Ready> ready = TRY(transform_for(part, view));
    // The record has a number of its own, so that a snapshot covers it and it leaves the log.
    const Turn turn = turns_.take(1);
    part.first_seq = turn.first_seq;
    part.ingest_us = turn.ingest_us;
    const Status kept = history_.append(part);
    turns_.await(turn);
    Again none;  // Of a view without windows.
    const Status applied = kept.ok() ? apply_ready(part, ready, &none) : Status();
    if (!kept.ok()) history_.give_up(turn.first_seq);
    turns_.end(turn, turn.first_seq);
    TRY(kept);
    return applied;
  });
}

Status Features::rebuild_windows(const ViewPtr& view, int64_t* through_seq, int64_t* rows) {
  const int64_t upto = applied_seq();
  History::Reading reading;
  reading.project = view->project;
  reading.source = view->source_name;
  reading.online_only = true;  // They are in the windows that are exchanged.
  WindowsBuilder builder(
      view, {.looking = {.max_seq = upto}, .counts = {}, .now_us = turns_.applied_ingest_us()});
  TRY(builder.read(TRY(history_.read(reading)), rows));
  // What arrived meanwhile comes in under a turn, so that nothing is applied between the reading
  // and the exchange.
  const Turn turn = turns_.take(0);
  turns_.await(turn);
  const Status done = [&]() -> Status {
    reading.after_seq = upto;
    TRY(builder.add(TRY(history_.read(reading)), turn.first_seq - 1, turn.ingest_us));
    if (!builder.again().empty()) {
      reading.after_seq = 0;
      const auto wanted = [&](const std::string& key) { return builder.again().contains(key); };
      WindowsBuilder whole(view, {.looking = {.wanted = wanted, .max_seq = turn.first_seq - 1},
                                  .counts = {},
                                  .now_us = turn.ingest_us});
      int64_t again = 0;
      TRY(whole.read(TRY(history_.read(reading)), &again));
      for (auto& [key, built] : whole.built()) builder.built()[key] = std::move(built);
    }
    for (auto& [key, built] : builder.built())
      online_.install(*view, key, std::move(built.windows), built.newest_event_us);
    *through_seq = turn.first_seq - 1;
    installed_.with([&](auto& all) { all[view->uid] = *through_seq; });
    return {};
  }();
  turns_.end(turn, turn.first_seq - 1);
  TRY(done);
  return snapshot();
}

// Noted with all that it takes to do it again, should it be interrupted.
Status Features::bring(const ViewPtr& view, Materialization what, int64_t* rows) {
  RedisMirror::Unlogged unlogged(deps_.mirror);
  TRY(unlogged.begin());
  begun_ = true;
  if (what.begin_us == 0)
    what.begin_us = std::max(deps_.clock.now_us(), turns_.applied_ingest_us());
  TRY(deps_.db.write(
      [&](store::Tx& tx) { return put_materialization(tx, view->project, view->uid, what); }));
  what.through_seq = applied_seq();  // What arrives from here on is online, or comes the next time.
  TRY(view->plan ? rebuild_windows(view, &what.through_seq, rows) : bring_online(view, what, rows));
  what.end_us = std::max(deps_.clock.now_us(), turns_.applied_ingest_us());
  TRY(deps_.db.write(
      [&](store::Tx& tx) { return put_materialization(tx, view->project, view->uid, what); }));
  installed_.with([&](auto& all) { all.erase(view->uid); });
  if (deps_.mirror != nullptr) ignore(deps_.mirror->write_through(), "written when it is back");
  return {};
}

// What was interrupted, and what a view that was just applied has coming.
Status Features::finish_materializations() {
  const std::shared_ptr<const Shelves> shelves = catalog_.shelves().load();
  for (const auto& [project, shelf] : *shelves)
    for (const auto& [name, view] : shelf->latest_views) {
      if (!view->view().online) continue;
      const std::vector<Materialization> all = TRY(materializations(deps_.db, project, view->uid));
      int64_t looked = 0;
      if (all.empty()) TRY(bring(view, {}, &looked));
      for (const Materialization& what : all)
        if (what.end_us == 0) TRY(bring(view, what, &looked));
    }
  return {};
}

Result<int64_t> Features::materialize(const Ctx& ctx, const Materializing& wanted) {
  if (wanted.rebuild) {
    if (deps_.mirror == nullptr)
      return invalid("feature.rebuild", "features are served from memory: there is no Redis");
    TRY(own());
    return deps_.mirror->rebuild();
  }
  TRY(own());
  if (wanted.start_us && *wanted.start_us > wanted.end_us)
    return invalid("feature.time", "the span to materialize ends before it begins");
  const sys::Lock lock(materializing_);
  const std::shared_ptr<const Shelf> shelf = catalog_.shelf(ctx.project.text);
  std::vector<ViewPtr> views;
  for (const std::string& name : wanted.views) {
    const ViewPtr view = shelf->view(name);
    if (!view)
      return not_found("feature_view.not_found", concat({"Feature view ", name,
                                                         " does not exist"
                                                         " in project ",
                                                         ctx.project.text}));
    views.push_back(view);
  }
  if (wanted.views.empty())
    for (const auto& [name, view] : shelf->latest_views) views.push_back(view);
  int64_t rows = 0;
  for (const ViewPtr& view : views) {
    if (!view->view().online) continue;
    int64_t through = 0;
    int64_t end_us = INT64_MAX;
    const int64_t now_seq = applied_seq();
    if (!wanted.start_us)
      TRY(deps_.db.read([&](store::Tx& tx) -> Status {
        TRY(
            tx.first("SELECT through_seq, end_us FROM feature_materialized WHERE project = ?"
                     " AND view_uid = ?",
                     {view->project, view->uid}, [&](const store::Row& row) {
                       through = row.i64(0);
                       end_us = row.i64(1);
                     }));
        return {};
      }));
    Materialization what;
    if (!view->plan) {
      what.start_us = wanted.start_us.value_or(INT64_MIN);
      what.until_us = wanted.end_us;
      what.after_seq = wanted.start_us ? 0 : through;
      what.after_until_us = wanted.start_us ? INT64_MIN : end_us;
    }
    TRY(bring(view, what, &rows));
    if (wanted.start_us) continue;
    TRY(deps_.db.write([&](store::Tx& tx) -> Status {
      TRY(tx.exec(
          "INSERT INTO feature_materialized (project, view_uid, through_seq, end_us,"
          " updated_ms) VALUES (?, ?, ?, ?, ?) ON CONFLICT (project, view_uid) DO UPDATE SET"
          " through_seq = excluded.through_seq, end_us = excluded.end_us,"
          " updated_ms = excluded.updated_ms",
          {view->project, view->uid, now_seq, wanted.end_us, deps_.clock.now_ms()}));
      return {};
    }));
  }
  return rows;
}

// ---- snapshots: magic, watermark, then frames of length, XXH3 and record; an empty frame ends it.
// The first frame has the numbers of records that were given up.

namespace {

std::string frame(std::string_view record) {
  std::string out;
  window::put(out, static_cast<uint32_t>(record.size()));
  window::put(out, codec::xxh3(record));
  out.append(record);
  return out;
}

class FrameReader {
 public:
  FrameReader(File& file, int64_t at) : file_(file), at_(at) {}

  // Nothing at the end; kCorrupt for what isn't whole.
  Result<std::optional<std::string>> next() {
    std::string head(12, '\0');
    TRY(fill(head));
    std::string_view in = head;
    uint32_t size = 0;
    uint64_t sum = 0;
    window::take(in, size);
    window::take(in, sum);
    if (size > kFrameBytesMax) return broken();
    std::string record(size, '\0');
    TRY(fill(record));
    if (codec::xxh3(record) != sum) return broken();
    if (size == 0) return std::optional<std::string>();
    return std::optional<std::string>(std::move(record));
  }

 private:
  static Error broken() {
    return corrupt("feature.snapshot", "the snapshot of the online table is damaged");
  }
  Status fill(std::string& out) {
    size_t got = 0;
    while (got < out.size()) {
      if (from_ == buffer_.size()) {
        buffer_.resize(kSnapshotBufferBytes);
        const size_t n = TRY(file_.read_at(at_, buffer_));
        buffer_.resize(n);
        from_ = 0;
        at_ += static_cast<int64_t>(n);
        if (n == 0) return broken();
      }
      const size_t n = std::min(out.size() - got, buffer_.size() - from_);
      std::copy_n(buffer_.data() + from_, n, out.data() + got);
      from_ += n;
      got += n;
    }
    return {};
  }

  File& file_;
  int64_t at_;
  std::string buffer_;
  size_t from_ = 0;
};

}  // namespace

Status Features::snapshot() {
  // Over a crash, the snapshot before is what knows which entities Redis has yet to lose.
  if (deps_.mirror != nullptr && deps_.mirror->owes_removal())
    TRY(deps_.mirror->write_through(true));
  const sys::Lock lock(saving_);
  TRY(deps_.fs.make_dirs(deps_.dir));
  const int64_t seq = applied_seq();
  const std::string path = deps_.dir + "/online";
  const std::string fresh = path + ".new";
  const auto file = TRY(deps_.fs.open(fresh, OpenMode::kTruncate));
  std::string head(kMagic);
  window::put(head, seq);
  window::put(head, codec::xxh3(head));
  TRY(file->append(head));
  std::map<uint32_t, ViewPtr> views;
  const std::shared_ptr<const Shelves> shelves = catalog_.shelves().load();
  for (const auto& [project, shelf] : *shelves)
    for (const auto& [key, view] : shelf->views) views[view->number] = view;
  std::string numbers;
  for (const int64_t given_up : history_.given_up())
    if (given_up <= seq) window::put(numbers, given_up);  // Later ones are given again.
  if (numbers.empty()) window::put(numbers, int64_t{0});  // An empty frame would be the end.
  std::string buffer = frame(numbers);
  const auto flush = [&]() -> Status {
    TRY(file->append(buffer));
    buffer.clear();
    return {};
  };
  TRY(online_.save(
      [&](uint32_t number) {
        const auto found = views.find(number);
        return found == views.end() ? nullptr : found->second;
      },
      [&](std::string_view record) -> Status {
        buffer += frame(record);
        return buffer.size() >= kSnapshotBufferBytes ? flush() : Status();
      }));
  buffer += frame("");
  TRY(flush());
  TRY(file->sync());
  TRY(deps_.fs.rename(fresh, path));
  TRY(deps_.fs.sync_dir(deps_.dir));
  saved_seq_ = seq;
  saved_log_bytes_ = history_.log_bytes();
  return {};
}

Status Features::load_snapshot(int64_t* seq) {
  const std::string path = deps_.dir + "/online";
  Result<std::unique_ptr<File>> opened = deps_.fs.open(path, OpenMode::kRead);
  if (!opened.ok() && opened.error().code == Code::kNotFound) return {};
  const std::unique_ptr<File> file = TRY(std::move(opened));
  std::string head(kMagic.size() + 16, '\0');
  const size_t got = TRY(file->read_at(0, head));
  std::string_view in = std::string_view(head).substr(0, got);
  uint64_t sum = 0;
  const bool old = in.starts_with(kMagicWithoutGivenUp);
  if (!old && !in.starts_with(kMagic)) return corrupt("feature.snapshot", path + " is no snapshot");
  in.remove_prefix(kMagic.size());
  if (!window::take(in, *seq) || !window::take(in, sum) ||
      sum != codec::xxh3(std::string_view(head).substr(0, kMagic.size() + 8)))
    return corrupt("feature.snapshot", path + " has a damaged head");
  const Online::Find find = [&](const std::string& project, const std::string& name,
                                int64_t version, const std::string& digest) -> ViewPtr {
    const ViewPtr view = catalog_.shelf(project)->view(name, version);
    return view && view->digest == digest ? view : nullptr;
  };
  FrameReader frames(*file, static_cast<int64_t>(head.size()));
  if (!old) {
    const std::optional<std::string> numbers = TRY(frames.next());
    std::string_view left = numbers ? std::string_view(*numbers) : std::string_view();
    for (int64_t given_up = 0; window::take(left, given_up);) history_.give_up(given_up);
  }
  for (;;) {
    const std::optional<std::string> record = TRY(frames.next());
    if (!record) return {};
    TRY(online_.load(find, *record));
  }
}

Status Features::tidy() {
  if (deps_.owner != nullptr) TRY(deps_.owner->refresh());
  if (!owned()) {  // What lies in the log here isn't the manifest's.
    TRY(catalog_.reload());
    return drop_old_served();
  }
  // What an erasure has yet to take out of Redis is known by what the last snapshot holds.
  const bool owes = deps_.mirror != nullptr && deps_.mirror->owes_removal();
  if (history_.log_bytes() > kSnapshotLogBytes && !owes) {
    TRY(history_.rotate());
    TRY(snapshot());
  }
  TRY(history_.archive(saved_seq_));
  TRY(drop_old_served());
  if (!begun_.exchange(false)) return {};
  const sys::Lock lock(materializing_);
  Status done = finish_erasures();
  if (done.ok()) done = finish_materializations();
  if (!done.ok()) begun_ = true;
  return done;
}

}  // namespace slip::features
