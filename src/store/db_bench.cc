#include "store/db.h"

#include <algorithm>
#include <cstdlib>

#include "base/check.h"
#include "base/id.h"
#include "base/text.h"
#include "sys/clock.h"
#include "sys/executor.h"
#include "sys/fs.h"
#include "sys/log.h"
#include "sys/rng.h"

// db_bench FOLDER PAIRS SECONDS: single-row commits with fsync by 64 clients, in groups and one by
// one, alternating. Writes FOLDER/result.json; bench/db.py builds, runs and prints.
namespace slip::store {
namespace {

constexpr int kClients = 64;
constexpr Migration kSteps[] = {
    {"bench", 1,
     "CREATE TABLE metric (project TEXT NOT NULL, id TEXT NOT NULL, name TEXT NOT NULL, value "
     "DOUBLE PRECISION NOT NULL, step BIGINT NOT NULL, PRIMARY KEY (project, id))"},
};

struct Figures {
  double commits_s = 0;
  double mean_group = 0;
  double p50_us = 0;
  double p99_us = 0;
};

struct Client {
  std::vector<int64_t> ns;  // One latency a commit.
  int64_t failed = 0;
};

void insert_until(Db& db, int64_t deadline_ns, Client* out) {
  Clock& clock = real_clock();
  for (int64_t step = 0;; ++step) {
    const int64_t before = clock.steady_ns();
    if (before >= deadline_ns) return;
    const std::string id = new_uuid7(clock, real_rng()).text();
    const Status s = db.write([&](Tx& tx) -> Status {
      TRY(tx.exec("INSERT INTO metric (project, id, name, value, step) VALUES (?, ?, ?, ?, ?)",
                  {kDefaultProject, id, "loss", 0.25, step}));
      return {};
    });
    if (!s.ok()) ++out->failed;
    out->ns.push_back(clock.steady_ns() - before);
  }
}

Figures measure(const std::string& folder, size_t group_max, double seconds) {
  Fs& fs = real_fs();
  CHECK(fs.remove_all(folder).ok() && fs.make_dirs(folder).ok());
  auto opened = open_sqlite({fs, real_clock(), real_executor(), null_log()}, folder + "/bench.db",
                            {.group_max = group_max});
  CHECK(opened.ok());
  Db& db = **opened;
  CHECK(migrate(db, kSteps).ok());
  const DbStats before = db.stats();
  const int64_t start_ns = real_clock().steady_ns();
  const int64_t deadline_ns = start_ns + static_cast<int64_t>(seconds * 1e9);
  std::vector<Client> clients(kClients);
  std::vector<std::unique_ptr<Task>> tasks;
  for (Client& c : clients)
    tasks.push_back(real_executor().spawn(
        "client", [&db, &c, deadline_ns] { insert_until(db, deadline_ns, &c); }));
  tasks.clear();
  const double took_s = static_cast<double>(real_clock().steady_ns() - start_ns) / 1e9;
  const DbStats after = db.stats();
  std::vector<int64_t> ns;
  for (const Client& c : clients) {
    CHECK(c.failed == 0);
    ns.insert(ns.end(), c.ns.begin(), c.ns.end());
  }
  const auto writes = after.writes - before.writes;
  CHECK(writes == static_cast<int64_t>(ns.size()));
  int64_t rows = 0;
  const Status counted = db.read([&](Tx& tx) {
    return tx.each("SELECT count(*) FROM metric", {}, [&](const Row& row) { rows = row.i64(0); });
  });
  CHECK(counted.ok() && rows == writes);
  std::sort(ns.begin(), ns.end());
  return {.commits_s = static_cast<double>(writes) / took_s,
          .mean_group =
              static_cast<double>(writes) / static_cast<double>(after.commits - before.commits),
          .p50_us = static_cast<double>(ns[ns.size() / 2]) / 1e3,
          .p99_us = static_cast<double>(ns[ns.size() * 99 / 100]) / 1e3};
}

std::string json_of(const Figures& f) {
  return concat({"{\"commits_s\":", format_double(f.commits_s), ",\"mean_group\":",
                 format_double(f.mean_group), ",\"p50_us\":", format_double(f.p50_us),
                 ",\"p99_us\":", format_double(f.p99_us), "}"});
}

int run(const std::string& folder, int64_t pairs, double seconds) {
  CHECK(real_fs().make_dirs(folder).ok());
  measure(folder + "/db", 256, seconds / 4);  // Warms up; not counted.
  std::string out = "[";
  for (int64_t i = 0; i < pairs; ++i) {
    Figures grouped;
    Figures single;
    // Which comes first alternates, so that a drift of the disk falls on both.
    if (i % 2 == 0) grouped = measure(folder + "/db", 256, seconds);
    single = measure(folder + "/db", 1, seconds);
    if (i % 2 != 0) grouped = measure(folder + "/db", 256, seconds);
    if (i > 0) out += ",";
    out += concat({"{\"grouped\":", json_of(grouped), ",\"single\":", json_of(single), "}"});
  }
  CHECK(real_fs().remove_all(folder + "/db").ok());
  return write_file_atomic(real_fs(), folder + "/result.json", out + "]").ok() ? 0 : 1;
}

}  // namespace
}  // namespace slip::store

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const auto pairs = slip::parse_int(argv[2]);
  const auto seconds = slip::parse_double(argv[3]);
  if (!pairs || !seconds || *pairs < 1) return 2;
  return slip::store::run(argv[1], *pairs, *seconds);
}
