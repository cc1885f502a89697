#include "sim/spine.h"

#include <array>

#include "core/hold/hold.h"
#include "sys/log.h"

namespace slip::sim {
namespace {

constexpr std::array<store::Migration, 1> kOwnTables = {{{"sim", 1, R"(
CREATE TABLE sim_fact (project TEXT NOT NULL, k TEXT NOT NULL, PRIMARY KEY (project, k));
CREATE TABLE sim_effect (project TEXT NOT NULL, seq BIGINT NOT NULL, PRIMARY KEY (project, seq));
CREATE TABLE sim_blob (project TEXT NOT NULL, digest TEXT NOT NULL, PRIMARY KEY (project, digest))
)"}}};

constexpr int64_t kSegmentBytes = 2000;

}  // namespace

Result<registry::Origins::Located> PlainOrigins::locate(const Ctx&,
                                                        const registry::NewVersion& wanted) {
  return Located{.location = wanted.source, .run_id = wanted.run_id};
}

Result<std::string> PlainOrigins::digest(const Ctx&, const std::string& location) {
  return codec::sha256(location).text();
}

Result<std::optional<double>> PlainOrigins::metric(const Ctx&, const registry::Version&,
                                                   const std::string&) {
  return std::optional(0.9);
}

Result<std::vector<std::string>> PlainOrigins::authors(const Ctx&,
                                                       const registry::Version& version) {
  return std::vector{version.author};
}

Result<std::unique_ptr<Spine>> Spine::open(SimExecutor& executor, SimFs& fs, SimRng& rng) {
  const store::World world{fs, executor.clock(), executor, null_log()};
  auto s = std::make_unique<Spine>();
  TRY(fs.make_dirs("/data"));
  store::SqliteOptions options;
  options.readers = 2;
  options.files = store::SqliteFiles::kFs;
  s->db = TRY(store::open_sqlite(world, "/data/slipway.db", options));
  std::vector<store::Migration> steps;
  for (const auto& all : {ledger::migrations(), hold::migrations(), registry::migrations()})
    steps.insert(steps.end(), all.begin(), all.end());
  steps.insert(steps.end(), kOwnTables.begin(), kOwnTables.end());
  TRY(store::migrate(*s->db, steps));
  s->blobs = TRY(store::open_blobs(world, "/data/blobs"));
  s->log = TRY(store::open_segment_log(world, "/data/log", {.segment_bytes = kSegmentBytes}));
  s->ledger = std::make_unique<ledger::Ledger>(ledger::Ledger::Deps{*s->db, executor.clock(), rng});
  s->registry = std::make_unique<registry::Registry>(
      registry::Registry::Deps{*s->db, *s->blobs, *s->ledger, executor.clock(), rng, s->origins});
  return s;
}

}  // namespace slip::sim
