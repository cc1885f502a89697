#include <atomic>

#include "base/check.h"
#include "base/text.h"
#include "store/db.h"
#include "store/pg_conn.h"
#include "store/value.h"
#include "sys/clock.h"
#include "sys/executor.h"
#include "sys/log.h"
#include "sys/sync.h"

// PostgreSQL behind Db: a pool of connections, each body on its caller's thread. Writes are
// SERIALIZABLE and tried again when they lose against another; reads are one snapshot.
namespace slip::store {
namespace {

constexpr size_t kConnectionsMax = 16;
constexpr size_t kSubmittersMax =
    8;  // Half of them, so that submitted writes leave room for others.
constexpr size_t kSubmittedMax = 4096;
constexpr int kTriesMax = 12;
constexpr int64_t kFirstPauseNs = 1'000'000;
constexpr int64_t kPauseMaxNs = 100'000'000;
// What pg_advisory_xact_lock takes: a number of ours ("slip") and the schema's.
constexpr std::string_view kTurn = "(1936484720, hashtext(coalesce(current_schema(), '')))";

class PostgresDb final : public Db {
 public:
  PostgresDb(World world, std::string url)
      : world_(world),
        url_(std::move(url)),
        submitters_(make_pool(
            world.executor, world.clock,
            {.name = "db-submit", .threads_max = kSubmittersMax, .queue_max = kSubmittedMax})) {}

  Status start();
  Status read(const Body& body) override;
  Status write(const Body& body) override;
  void submit(Body body, Done done) override;
  Status exclusively(const std::function<Status()>& work) override;
  std::string_view kind() const override { return "postgres"; }
  DbStats stats() const override;
  int64_t now_ms() const override { return world_.clock.now_ms(); }

 private:
  // What is left to do after one try.
  struct Try {
    Status result;
    bool again = false;
  };
  Status attempt(const Body& body, bool read_only);
  Try try_once(const Body& body, bool read_only);
  Try run_on(PgConn& conn, const Body& body, bool read_only);
  void pause(int tries);
  Status take_turn(PgConn& conn);
  Result<std::unique_ptr<PgConn>> take();
  void put(std::unique_ptr<PgConn> conn);

  const World world_;
  const std::string url_;
  sys::Mutex mutex_;
  sys::CondVar free_;
  std::vector<std::unique_ptr<PgConn>> idle_;
  size_t open_ = 0;
  std::atomic<int64_t> writes_ = 0;
  std::atomic<int64_t> replays_ = 0;
  std::unique_ptr<Pool> submitters_;  // Last: it runs what was queued before the rest goes.
};

Status PostgresDb::start() {
  put(TRY(take()));
  return {};
}

Result<std::unique_ptr<PgConn>> PostgresDb::take() {
  {
    sys::Lock lock(mutex_);
    while (idle_.empty() && open_ >= kConnectionsMax) free_.wait(lock);
    if (!idle_.empty()) {
      auto conn = std::move(idle_.back());
      idle_.pop_back();
      return conn;
    }
    ++open_;
  }
  auto conn = PgConn::open(url_);
  if (!conn.ok()) put(nullptr);
  return conn;
}

// Null or broken: one fewer.
void PostgresDb::put(std::unique_ptr<PgConn> conn) {
  std::vector<std::unique_ptr<PgConn>> gone;
  const sys::Lock lock(mutex_);
  if (conn && !conn->broken()) {
    idle_.push_back(std::move(conn));
  } else {
    // The server went away: the idle ones have most likely lost it too.
    open_ -= 1 + idle_.size();
    gone.swap(idle_);
  }
  free_.notify_all();
}

PostgresDb::Try PostgresDb::run_on(PgConn& conn, const Body& body, bool read_only) {
  Status begun = conn.control(read_only ? "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"
                                        : "BEGIN ISOLATION LEVEL SERIALIZABLE");
  if (!begun.ok()) return {.result = std::move(begun), .again = conn.broken()};
  PgTx tx(conn, read_only);
  Status result = tx.outcome(body(tx));
  if (!result.ok()) {
    const bool again = worth_a_retry(result.error()) || conn.broken();
    if (!conn.broken()) ignore(conn.control("ROLLBACK"), "the first error matters");
    return {.result = std::move(result), .again = again};
  }
  result = conn.control("COMMIT");
  if (result.ok()) return {.result = {}};
  const bool again = worth_a_retry(result.error());
  if (conn.broken() && !read_only)  // Perhaps committed, perhaps not: not ours to repeat.
    return {.result = unavailable("store.commit_unknown",
                                  "the connection broke while a transaction was committed")};
  if (!conn.broken()) ignore(conn.control("ROLLBACK"), "the first error matters");
  return {.result = std::move(result), .again = again};
}

PostgresDb::Try PostgresDb::try_once(const Body& body, bool read_only) {
  auto conn = take();
  if (!conn.ok()) return {.result = std::move(conn).error()};
  Try out = [&] {
    const InBody inside(this);
    return run_on(**conn, body, read_only);
  }();
  put(std::move(conn).value());
  return out;
}

Status PostgresDb::attempt(const Body& body, bool read_only) {
  TRY(InBody::refuse(this));
  for (int tries = 1;; ++tries) {
    Try out = try_once(body, read_only);
    if (!out.again || tries == kTriesMax) return std::move(out.result);
    ++replays_;
    pause(tries);
  }
}

// Twice as long each time, plus up to as much again by the clock's last bits, so that two that met
// don't meet again.
void PostgresDb::pause(int tries) {
  const int64_t now = world_.clock.steady_ns();
  const int64_t least = std::min(kPauseMaxNs, kFirstPauseNs << (tries - 1));
  world_.executor.sleep_until(now + least + now % least);
}

Status PostgresDb::read(const Body& body) { return attempt(body, true); }

Status PostgresDb::write(const Body& body) {
  TRY(attempt(body, false));
  ++writes_;
  return {};
}

void PostgresDb::submit(Body body, Done done) {
  // Shared with the pool, so that it is still here when the pool is full.
  const auto tell = std::make_shared<Done>(std::move(done));
  const Status queued =
      submitters_->submit([this, body = std::move(body), tell] { (*tell)(write(body)); });
  if (!queued.ok()) (*tell)(exhausted("store.queue_full", "too many writes are waiting"));
}

// An advisory lock for the schema we are in, held by a transaction of its own connection: the
// server lets go of it when that connection ends, however it ends.
Status PostgresDb::take_turn(PgConn& conn) {
  for (const char* sql : {"BEGIN", "SET LOCAL idle_in_transaction_session_timeout = 0",
                          "SET LOCAL statement_timeout = 0", "SET LOCAL lock_timeout = 0"})
    TRY(conn.control(sql));
  PgTx tx(conn, false);
  bool taken = false;
  TRY(tx.first(concat({"SELECT pg_try_advisory_xact_lock", kTurn}), {},
               [&](const Row& row) { taken = row.i64(0) != 0; }));
  if (taken) return {};
  world_.log.info("waiting for another process that changes the database's schema", {});
  return conn.control(concat({"SELECT pg_advisory_xact_lock", kTurn}));
}

Status PostgresDb::exclusively(const std::function<Status()>& work) {
  TRY(InBody::refuse(this));
  const std::unique_ptr<PgConn> conn = TRY(PgConn::open(url_));
  TRY(take_turn(*conn));
  return work();
}

DbStats PostgresDb::stats() const {
  return {.writes = writes_, .commits = writes_, .replays = replays_};
}

}  // namespace

Result<std::unique_ptr<Db>> open_postgres(World world, const std::string& url) {
  auto db = std::make_unique<PostgresDb>(world, url);
  TRY(db->start());
  return std::unique_ptr<Db>(std::move(db));
}

}  // namespace slip::store
