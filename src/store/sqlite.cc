#include <algorithm>
#include <atomic>

#include <sqlite3.h>

#include "base/bug.h"
#include "base/check.h"
#include "store/db.h"
#include "store/sqlite_conn.h"
#include "store/sqlite_vfs.h"
#include "store/value.h"
#include "sys/clock.h"
#include "sys/executor.h"
#include "sys/fs.h"
#include "sys/log.h"
#include "sys/sync.h"

// SQLite behind Db. One task writes; a request is a body on its caller's stack. While the task
// commits a group (one fsync), the next group gathers in the queue, so there is no delay timer:
// an idle database answers at once, a busy one shares each fsync among all who waited.
namespace slip::store {
namespace {

// 16 MiB: a page that many groups change is copied back once.
constexpr int64_t kCheckpointPages = 4096;
// Readers are many, and what they miss is in the system's cache; the writer's pages must stay.
constexpr int64_t kReaderCacheShare = 4;

class SqliteDb final : public Db {
 public:
  SqliteDb(World world, SqliteOptions options) : world_(world), options_(options) {}
  ~SqliteDb() override;

  Status start(const std::string& path, std::unique_ptr<File> lock);
  Status read(const Body& body) override;
  Status write(const Body& body) override;
  void submit(Body body, Done done) override;
  Status exclusively(const std::function<Status()>& work) override;
  std::string_view kind() const override { return "sqlite"; }
  DbStats stats() const override;
  int64_t now_ms() const override { return world_.clock.now_ms(); }

 private:
  struct Request {
    const Body* body;
    Status result;
    bool done = false;
    sys::Mutex mutex = {};
    sys::CondVar woken = {};
    // Of submit(): the request owns its body and itself.
    Body own = {};
    Done tell = {};
  };

  Status enqueue(Request* request);
  void write_loop();
  void run_group(std::span<Request*> group);
  void run_group_hastily(std::span<Request*> group);
  void acknowledge(std::span<Request*> group);
  Status together(std::span<Request*> group);
  Status one_of_group(Request& request);
  Status alone(const Body& body);
  void checkpoint();
  Result<std::unique_ptr<SqliteConn>> take_reader();
  void put_reader(std::unique_ptr<SqliteConn> conn);

  const World world_;
  const SqliteOptions options_;
  SqliteConnOptions conn_options_;
  std::unique_ptr<File> lock_;
  std::unique_ptr<FsVfs> vfs_;          // None: SQLite's own.
  std::unique_ptr<SqliteConn> writer_;  // Only the task touches it.
  int64_t checkpoint_at_ = kCheckpointPages;

  sys::Mutex turn_mutex_;  // Of exclusively(); the lock file keeps other processes out.

  sys::Mutex queue_mutex_;
  sys::CondVar queue_ready_;
  std::vector<Request*> queue_;
  bool writer_waits_ = false;
  bool stopping_ = false;

  sys::Mutex readers_mutex_;
  sys::CondVar reader_free_;
  std::vector<std::unique_ptr<SqliteConn>> readers_;
  int readers_open_ = 0;

  std::atomic<int64_t> writes_ = 0;
  std::atomic<int64_t> commits_ = 0;
  std::atomic<int64_t> replays_ = 0;
  std::unique_ptr<Task> task_;
};

SqliteDb::~SqliteDb() {
  {
    const sys::Lock lock(queue_mutex_);
    stopping_ = true;
  }
  queue_ready_.notify_all();
  task_.reset();  // Runs what was queued.
  CHECK(static_cast<size_t>(readers_open_) == readers_.size());
  readers_.clear();
  writer_.reset();  // Last, so that SQLite checkpoints and removes its log.
}

Status SqliteDb::start(const std::string& path, std::unique_ptr<File> lock) {
  lock_ = std::move(lock);
  if (options_.files == SqliteFiles::kFs) vfs_ = std::make_unique<FsVfs>(world_);
  conn_options_ = {.path = path,
                   .vfs = vfs_ ? vfs_->name() : "",
                   .cache_bytes = options_.cache_bytes,
                   .query_only = false};
  writer_ = TRY(SqliteConn::open(world_, conn_options_));
  conn_options_.query_only = true;
  conn_options_.cache_bytes = options_.cache_bytes / kReaderCacheShare;
  task_ = world_.executor.spawn("db-writer", [this] { write_loop(); });
  return {};
}

Status SqliteDb::enqueue(Request* request) {
  bool wake = false;
  {
    const sys::Lock lock(queue_mutex_);
    if (stopping_) return unavailable("store.closed", "the database is closing");
    if (queue_.size() >= options_.queue_max)
      return exhausted("store.queue_full", "too many writes are waiting");
    queue_.push_back(request);
    wake = std::exchange(writer_waits_, false);
  }
  if (wake) queue_ready_.notify_one();
  return {};
}

Status SqliteDb::write(const Body& body) {
  TRY(InBody::refuse(this));
  Request request{.body = &body, .result = {}};
  TRY(enqueue(&request));
  sys::Lock lock(request.mutex);
  while (!request.done) request.woken.wait(lock);
  return std::move(request.result);
}

void SqliteDb::submit(Body body, Done done) {
  auto request = std::make_unique<Request>();
  request->own = std::move(body);
  request->body = &request->own;
  request->tell = std::move(done);
  Status queued = enqueue(request.get());
  if (queued.ok()) {
    (void)request.release();  // acknowledge() takes it back.
    return;
  }
  request->tell(std::move(queued));
}

void SqliteDb::write_loop() {
  std::vector<Request*> batch;
  for (;;) {
    {
      sys::Lock lock(queue_mutex_);
      while (queue_.empty() && !stopping_) {
        writer_waits_ = true;
        queue_ready_.wait(lock);
      }
      writer_waits_ = false;
      if (queue_.empty()) return;
      batch.swap(queue_);
    }
    const InBody inside(this);
    for (size_t at = 0; at < batch.size(); at += options_.group_max) {
      const size_t n = std::min(options_.group_max, batch.size() - at);
      run_group(std::span(batch).subspan(at, n));
      checkpoint();
    }
    batch.clear();
  }
}

void SqliteDb::run_group(std::span<Request*> group) {
  if (planted(Bug::kReplyBeforeCommit)) return run_group_hastily(group);
  if (group.size() == 1) {
    group[0]->result = alone(*group[0]->body);
  } else if (!together(group).ok()) {
    // Whatever went wrong may be the doing of one of them.
    writer_->rollback();
    for (Request* r : group) {
      if (planted(Bug::kDroppedReplay) && r != group[0]) continue;  // Keeps what it had reported.
      r->result = alone(*r->body);
    }
    replays_ += static_cast<int64_t>(group.size());
  }
  acknowledge(group);
}

void SqliteDb::acknowledge(std::span<Request*> group) {
  for (Request* r : group) {
    if (r->result.ok()) ++writes_;
    if (r->tell) {
      const std::unique_ptr<Request> own(r);
      r->tell(std::move(r->result));
      continue;
    }
    const sys::Lock lock(r->mutex);  // Held while notifying: the waiter's stack holds both.
    r->done = true;
    r->woken.notify_one();
  }
}

// The planted bug: everybody is told before anything is committed.
void SqliteDb::run_group_hastily(std::span<Request*> group) {
  Status begun = writer_->control("BEGIN IMMEDIATE");
  for (Request* r : group) {
    if (begun.ok()) begun = one_of_group(*r);
    if (!begun.ok()) r->result = begun;
  }
  acknowledge(group);
  if (begun.ok()) begun = writer_->control("COMMIT");
  if (!begun.ok()) writer_->rollback();
}

Status SqliteDb::together(std::span<Request*> group) {
  TRY(writer_->control("BEGIN IMMEDIATE"));
  for (Request* r : group) TRY(one_of_group(*r));
  TRY(writer_->control("COMMIT"));
  ++commits_;
  return {};
}

// An error means that the transaction is lost; a body's own error is its result.
Status SqliteDb::one_of_group(Request& request) {
  TRY(writer_->control("SAVEPOINT body"));
  SqliteTx tx(*writer_);
  request.result = tx.outcome((*request.body)(tx));
  if (tx.ruined()) return request.result.ok() ? internal("store.sql", "lost") : request.result;
  if (!request.result.ok() && !planted(Bug::kLeakedSavepoint))
    TRY(writer_->control("ROLLBACK TO body"));
  return writer_->control("RELEASE body");
}

Status SqliteDb::alone(const Body& body) {
  TRY(writer_->control("BEGIN IMMEDIATE"));
  SqliteTx tx(*writer_);
  Status result = tx.outcome(body(tx));
  if (result.ok()) result = writer_->control("COMMIT");
  if (result.ok()) {
    ++commits_;
    return result;
  }
  writer_->rollback();
  return result;
}

// After the acknowledgement, so nobody waits for it but the next group.
void SqliteDb::checkpoint() {
  const int64_t pages = writer_->wal_pages();
  if (pages < checkpoint_at_) {
    if (pages < kCheckpointPages) checkpoint_at_ = kCheckpointPages;
    return;
  }
  checkpoint_at_ = pages + kCheckpointPages;  // A reader may keep the log from starting over.
  const int rc = sqlite3_wal_checkpoint_v2(writer_->raw(), nullptr, SQLITE_CHECKPOINT_PASSIVE,
                                           nullptr, nullptr);
  if (rc == SQLITE_OK || rc == SQLITE_BUSY) return;
  const Error e = sqlite_error(writer_->raw(), rc, "checkpoint");
  world_.log.warn("database checkpoint failed", {{"reason", e.reason}, {"error", e.text}});
}

Result<std::unique_ptr<SqliteConn>> SqliteDb::take_reader() {
  sys::Lock lock(readers_mutex_);
  while (readers_.empty() && readers_open_ >= options_.readers) reader_free_.wait(lock);
  if (!readers_.empty()) {
    auto conn = std::move(readers_.back());
    readers_.pop_back();
    return conn;
  }
  ++readers_open_;
  lock.unlock();
  auto opened = SqliteConn::open(world_, conn_options_);
  if (!opened.ok()) {
    const sys::Lock again(readers_mutex_);
    --readers_open_;
    reader_free_.notify_one();
  }
  return opened;
}

void SqliteDb::put_reader(std::unique_ptr<SqliteConn> conn) {
  const sys::Lock lock(readers_mutex_);
  readers_.push_back(std::move(conn));
  reader_free_.notify_one();
}

Status SqliteDb::read(const Body& body) {
  TRY(InBody::refuse(this));
  auto conn = TRY(take_reader());
  const InBody inside(this);
  Status result = conn->control("BEGIN");
  if (result.ok()) {
    SqliteTx tx(*conn);
    result = tx.outcome(body(tx));
    conn->rollback();  // Nothing was written.
  }
  put_reader(std::move(conn));
  return result;
}

Status SqliteDb::exclusively(const std::function<Status()>& work) {
  TRY(InBody::refuse(this));
  const sys::Lock turn(turn_mutex_);
  return work();
}

DbStats SqliteDb::stats() const {
  return {.writes = writes_, .commits = commits_, .replays = replays_};
}

Result<std::unique_ptr<File>> take_lock(Fs& fs, const std::string& path) {
  const std::string name = path + ".lock";
  auto file = fs.open(name, OpenMode::kCreate);
  Error e;
  if (file.ok()) {
    Status locked = (*file)->lock();
    if (locked.ok()) return file;
    e = std::move(locked).error();
    if (e.code == Code::kConflict)
      return conflict("store.locked", path + ": another process has this database open")
          .with_hint("stop it, or use another data directory");
  } else {
    e = std::move(file).error();
  }
  if (e.code == Code::kForbidden) e.reason = "store.read_only";
  return std::move(e).within(name);
}

}  // namespace

Result<std::unique_ptr<Db>> open_sqlite(World world, const std::string& path,
                                        SqliteOptions options) {
  CHECK(options.readers > 0 && options.group_max > 0 && options.queue_max > 0);
  init_sqlite();
  auto lock = TRY(take_lock(world.fs, path));
  auto db = std::make_unique<SqliteDb>(world, options);
  TRY(db->start(path, std::move(lock)));
  return std::unique_ptr<Db>(std::move(db));
}

}  // namespace slip::store
