#include "sim/feature_history.h"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>

#include "base/text.h"
#include "codec/json.h"
#include "codec/table.h"
#include "core/hold/hold.h"
#include "core/ledger/ledger.h"
#include "features/features.h"
#include "sim/life.h"
#include "sim/promises.h"
#include "sys/log.h"
#include "sys/sim/sim_executor.h"
#include "sys/sim/sim_fs.h"
#include "sys/sim/sim_rng.h"

namespace slip::sim {
namespace {

using features::Batch;
using features::Cell;
using features::Features;
using features::To;

constexpr int64_t kMinuteUs = 60'000'000;
constexpr int64_t kUsers = 4;
constexpr int64_t kSegmentBytes = 3000;

constexpr std::string_view kDefinitions = R"yaml(
kind: Source
name: txn
columns: {user: int64, amount: float64, shop: string}
event_time: ts
created_time: made
---
kind: FeatureView
name: last
entity: {user: int64}
source: txn
features: [amount, shop]
ttl: 1h
---
kind: FeatureView
name: spend
entity: {user: int64}
source: txn
filter: "amount is not null"
aggregate:
  - {op: sum, of: amount, windows: [10m, 1h], as: spend}
  - {op: last_k, of: shop, k: 2, windows: [1h], as: recent}
  - {op: count, as: all}
late: {allowed: 30m}
---
kind: FeatureService
name: now
features: ["last:*", "spend:*"]
)yaml";

// Comes when rows are there already.
constexpr std::string_view kMore = R"yaml(
kind: FeatureView
name: more
entity: {user: int64}
source: txn
aggregate:
  - {op: max, of: amount, windows: [1h], as: top}
  - {op: distinct, of: shop, as: shops}
---
kind: FeatureService
name: later
features: ["more:*"]
)yaml";

struct World {
  static Result<std::unique_ptr<World>> open(SimExecutor& executor, SimFs& fs, SimRng& rng);

  std::unique_ptr<store::Db> db;
  std::unique_ptr<store::Blobs> blobs;
  std::unique_ptr<store::SegmentLog> log;
  std::unique_ptr<store::SegmentLog> served;
  std::unique_ptr<ledger::Ledger> ledger;
  std::unique_ptr<Features> features;
};

Result<std::unique_ptr<World>> World::open(SimExecutor& executor, SimFs& fs, SimRng& rng) {
  const store::World world{fs, executor.clock(), executor, null_log()};
  auto w = std::make_unique<World>();
  TRY(fs.make_dirs("/data"));
  store::SqliteOptions options;
  options.readers = 2;
  options.files = store::SqliteFiles::kFs;
  w->db = TRY(store::open_sqlite(world, "/data/slipway.db", options));
  std::vector<store::Migration> steps;
  for (const auto& all : {ledger::migrations(), hold::migrations(), features::migrations()})
    steps.insert(steps.end(), all.begin(), all.end());
  TRY(store::migrate(*w->db, steps));
  w->blobs = TRY(store::open_blobs(world, "/data/blobs"));
  w->log = TRY(store::open_segment_log(world, "/data/rows", {.segment_bytes = kSegmentBytes}));
  w->served = TRY(store::open_segment_log(world, "/data/served", {.segment_bytes = kSegmentBytes}));
  w->ledger = std::make_unique<ledger::Ledger>(ledger::Ledger::Deps{*w->db, executor.clock(), rng});
  w->features = std::make_unique<Features>(Features::Deps{*w->db, *w->ledger, *w->blobs, *w->log,
                                                          *w->served, fs, executor.clock(), rng,
                                                          null_log(), "/data/features"});
  TRY(w->features->open());
  return w;
}

// What clients were told. A row is named by its created time, which no other has.
struct Account {
  struct Row {
    int64_t user = 0;
    int64_t ts_us = 0;
    int64_t group = 0;  // Rows that came together.
    bool promised = false;
    bool at_risk = false;  // An erasure was asked for while it was there or on its way.
  };
  std::map<int64_t, Row> rows;
  std::map<int64_t, std::set<int64_t>> groups;
  std::set<int64_t> forgotten;          // Must never be seen again.
  std::set<int64_t> touched;            // Users that an erasure was ever asked for.
  std::multiset<int64_t> erasing;       // Users of erasures that are under way.
  std::multiset<int64_t> under_way_us;  // When work began that puts blobs.
  int64_t next = 0;
};

struct Shared {
  Account& account;
  Violations& violations;
  HistoryResult& counts;
};

class FeatureClient {
 public:
  FeatureClient(World& world, SimExecutor& executor, Shared shared, uint64_t seed)
      : world_(world), executor_(executor), shared_(shared), dice_(seed) {}

  void run(int steps) {
    for (int i = 0; i < steps; ++i) step();
  }

 private:
  void step() {
    ++shared_.counts.operations;
    switch (dice_.below(20)) {
      case 0:
        return told("snapshot", world_.features->snapshot());
      case 1:
        return archive();
      case 2:
        return told("materialize", materialize());
      case 3:
        return erase();
      case 4:
      case 5:
        return load();
      case 6:
        return serve();
      case 7:
        return sweep();
      case 8:
        return told("apply", apply(kMore));
      case 9:
      case 10:
        return executor_.sleep_until(executor_.clock().steady_ns() +
                                     static_cast<int64_t>(dice_.below(20)) * kMinuteUs * 1000);
      default:
        return push();
    }
  }

  bool noted(const char* what, const Status& status) {
    if (status.ok()) {
      ++shared_.counts.acknowledged;
      return true;
    }
    ++shared_.counts.refused;
    const Code code = status.error().code;
    if (code == Code::kInternal || code == Code::kCorrupt)
      shared_.violations.add(
          concat({what, ": ", status.error().reason, ": ", status.error().text}));
    return false;
  }
  void told(const char* what, const Status& status) { noted(what, status); }

  Status apply(std::string_view yaml) {
    const auto done = world_.features->apply(ctx_, TRY(features::parse_definitions(yaml)));
    return done.ok() ? Status() : Status(done.error());
  }

  // A row of a user's, in time, late or of the future; or one that takes others back.
  struct Drawn {
    int64_t made_us = 0;
    int64_t user = 0;
    int64_t ts_us = 0;
    std::optional<double> amount;
    std::string shop;
    bool deleted = false;
  };
  std::vector<Drawn> draw(bool whole) {
    Account& a = shared_.account;
    std::vector<Drawn> out;
    const int64_t group = a.next;
    const uint64_t n = 1 + dice_.below(4);
    for (uint64_t i = 0; i < n; ++i) {
      Drawn row;
      row.made_us = 1'700'000'000'000'000 + a.next++;
      row.user = static_cast<int64_t>(dice_.below(kUsers));
      row.ts_us = executor_.clock().now_us() +
                  (static_cast<int64_t>(dice_.below(100)) - 90) * kMinuteUs / 2;
      row.amount = dice_.one_in(6) ? std::nullopt
                                   : std::optional(static_cast<double>(dice_.below(1000)) / 8);
      row.shop = dice_.one_in(2) ? "x" : "y";
      if (!whole && !a.rows.empty() && dice_.one_in(4)) {
        auto at = a.rows.begin();
        std::advance(at, static_cast<int64_t>(dice_.below(a.rows.size())));
        row.user = at->second.user;
        row.ts_us = at->second.ts_us;
        row.deleted = true;
        row.amount.reset();
        row.shop = dice_.one_in(2) ? "x" : "";
      }
      a.rows[row.made_us] = {row.user, row.ts_us, group, false, a.erasing.contains(row.user)};
      a.groups[group].insert(row.made_us);
      out.push_back(std::move(row));
    }
    return out;
  }
  void promise(const std::vector<Drawn>& rows) {
    for (const Drawn& row : rows) {
      Account::Row& known = shared_.account.rows[row.made_us];
      known.promised = !known.at_risk;
    }
  }

  void push() {
    const Result<features::Source> source = world_.features->source_for(ctx_, "txn", "");
    if (!source.ok()) return;
    const std::vector<Drawn> rows = draw(false);
    Batch b = features::make_batch(source->columns);
    b.source = "txn";
    constexpr To kWhere[] = {To::kBoth, To::kBoth, To::kBoth, To::kOnline, To::kOffline};
    b.to = kWhere[dice_.below(5)];
    for (const Drawn& row : rows) {
      b.columns[0].add_i64(row.user);
      features::add_cell(&b.columns[1], row.amount ? Cell(*row.amount) : Cell());
      row.shop.empty() ? b.columns[2].add_null() : b.columns[2].add_text(row.shop);
      b.event.add_i64(row.ts_us);
      b.created.add_i64(row.made_us);
      b.deleted.add_bool(row.deleted);
    }
    const auto pushed = world_.features->push(ctx_, std::move(b));
    if (noted("push", pushed.ok() ? Status() : Status(pushed.error()))) promise(rows);
  }

  void load() {
    if (!world_.features->source_for(ctx_, "txn", "").ok()) return;
    const auto working = shared_.account.under_way_us.insert(executor_.clock().now_us());
    const std::vector<Drawn> rows = draw(true);
    std::string text;
    for (const Drawn& row : rows) {
      codec::Json one = codec::Json::object({{"user", row.user},
                                             {"shop", row.shop},
                                             {"ts", features::time_text(row.ts_us)},
                                             {"made", features::time_text(row.made_us)}});
      if (row.amount) one.set("amount", *row.amount);
      text += codec::to_json(one) + "\n";
    }
    const auto source = codec::text_source(text);
    const auto table = codec::open_table(codec::Format::kJsonl, *source);
    const auto loaded = world_.features->load(
        ctx_, {.source = "txn", .to = dice_.one_in(2) ? To::kBoth : To::kOffline}, **table);
    if (noted("load", loaded.ok() ? Status() : Status(loaded.error()))) promise(rows);
    shared_.account.under_way_us.erase(working);
  }

  void archive() {
    const auto working = shared_.account.under_way_us.insert(executor_.clock().now_us());
    if (noted("rotate", world_.features->history().rotate()) &&
        noted("snapshot", world_.features->snapshot()))
      told("tidy", world_.features->tidy());
    shared_.account.under_way_us.erase(working);
  }

  Status materialize() {
    Features::Materializing wanted;
    if (dice_.one_in(2)) {
      wanted.end_us = executor_.clock().now_us();
      wanted.start_us = wanted.end_us - static_cast<int64_t>(dice_.below(120)) * kMinuteUs;
    }
    const auto done = world_.features->materialize(ctx_, wanted);
    return done.ok() ? Status() : Status(done.error());
  }

  // What had been acknowledged before it was asked for is gone once it is acknowledged.
  void erase() {
    Account& a = shared_.account;
    const auto user = static_cast<int64_t>(dice_.below(kUsers));
    const auto working = a.under_way_us.insert(executor_.clock().now_us());
    std::set<int64_t> before;
    for (auto& [made, row] : a.rows) {
      if (row.user != user) continue;
      if (row.promised) before.insert(made);
      row.promised = false;
      row.at_risk = true;
    }
    a.touched.insert(user);
    const auto erasing = a.erasing.insert(user);
    features::Erasing what;
    what.keys.emplace_back("user", codec::Json(user));
    what.reason = "asked";
    const auto done = world_.features->erase(ctx_, what);
    if (noted("erase", done.ok() ? Status() : Status(done.error())))
      a.forgotten.insert(before.begin(), before.end());
    a.erasing.erase(erasing);
    a.under_way_us.erase(working);
  }

  void serve() {
    const auto shelf = world_.features->catalog().shelf("default");
    const auto plan = features::plan_service(*shelf, "now", 0, false);
    if (!plan.ok()) return;
    features::RequestColumns request;
    request.rows = 1;
    request.columns["user"].emplace_back(static_cast<int64_t>(dice_.below(kUsers)));
    features::OnlineReply reply;
    told("serve", world_.features->serve(ctx_, *plan, request, &reply));
  }

  void sweep() {
    int64_t fence_us = executor_.clock().now_us();
    const auto& working = shared_.account.under_way_us;
    if (!working.empty()) fence_us = std::min(fence_us, *working.begin());
    const auto done =
        world_.blobs->sweep(fence_us, [&](const std::function<void(const store::Digest&)>& keep) {
          return world_.features->mark(keep);
        });
    told("sweep", done.ok() ? Status() : Status(done.error()));
  }

  World& world_;
  SimExecutor& executor_;
  Shared shared_;
  SimRng dice_;
  Ctx ctx_;
};

// ---- what must hold

void check_rows(World& world, const Account& a, Violations& v) {
  std::map<int64_t, int> seen;
  const auto history =
      world.features->history().read({.project = "default", .source = "txn", .online_only = true});
  if (!history.ok()) return v.add("the history cannot be read: " + history.error().text);
  const Status read = history->visit([&](const features::History::Chunk& chunk) -> Status {
    for (int64_t i = 0; i < chunk.batch.rows(); ++i) ++seen[chunk.batch.created_at(i)];
    return {};
  });
  if (!read.ok()) return v.add("the history cannot be read: " + read.error().text);
  for (const auto& [made, n] : seen) {
    const std::string name = std::to_string(made % 1'000'000);
    v.require(n == 1, "a row is in the history twice: " + name);
    v.require(a.rows.contains(made), "a row that nobody gave: " + name);
    v.require(!a.forgotten.contains(made), "an erased row is there: " + name);
  }
  for (const auto& [made, row] : a.rows)
    v.require(!row.promised || seen.contains(made),
              "an acknowledged row is lost: " + std::to_string(made % 1'000'000));
  for (const auto& [group, members] : a.groups) {
    size_t there = 0;
    size_t all = 0;
    for (const int64_t made : members) {
      if (a.touched.contains(a.rows.at(made).user)) continue;
      ++all;
      there += seen.contains(made) ? 1 : 0;
    }
    v.require(there == 0 || there == all, "rows that came together are there in part");
  }
}

std::string shown(const Cell& cell, const features::FeatureType& type) {
  return codec::to_json(features::json_of_cell(cell, type));
}

std::vector<std::vector<Cell>> served(World& world, int64_t now_us, Violations& v) {
  std::vector<std::vector<Cell>> out;
  const auto shelf = world.features->catalog().shelf("default");
  for (const std::string name : {"now", "later"}) {
    const auto plan = features::plan_service(*shelf, name, 0, false);
    if (!plan.ok()) continue;
    features::RequestColumns request;
    request.rows = kUsers;
    for (int64_t user = 0; user < kUsers; ++user) request.columns["user"].emplace_back(user);
    features::OnlineReply reply;
    const Status read = world.features->read(*plan, request, {.now_us = now_us}, &reply);
    if (!read.ok()) v.add("nothing is served: " + read.error().text);
    const auto joined =
        world.features->join("default", *plan, request, std::vector<int64_t>(kUsers, now_us),
                             {.mode = features::JoinMode::kAsKnown, .served = true});
    if (!joined.ok()) {
      v.add("the history cannot be joined: " + joined.error().text);
      continue;
    }
    for (size_t f = 0; f < reply.values.size(); ++f)
      for (size_t user = 0; user < reply.values[f].size(); ++user)
        v.require(
            reply.values[f][user] == joined->values[f][user],
            concat({"what is served isn't what the history says: ", plan->outs[f].name, " of user ",
                    std::to_string(user), ": ", shown(reply.values[f][user], plan->outs[f].type),
                    ", not ", shown(joined->values[f][user], plan->outs[f].type)}));
    for (std::vector<features::Cell>& column : reply.values.lists())
      out.push_back(std::move(column));
  }
  return out;
}

class FeatureLife {
 public:
  FeatureLife(const HistorySpec& spec, SimExecutor& executor, SimFs& fs, SimRng& dice,
              Shared shared)
      : spec_(spec), executor_(executor), fs_(fs), dice_(dice), shared_(shared) {}

  void run(int number) {
    SimRng rng(spec_.seed * 1000 + static_cast<uint64_t>(number));
    faults_ =
        choose_faults(fs_, dice_, {.crash_below = 3000, .change_below = 600, .full_one_in = 8});
    Result<std::unique_ptr<World>> world = World::open(executor_, fs_, rng);
    if (world.ok()) {
      work(**world);
      world->reset();
    } else if (!faults_.any) {
      shared_.violations.add("does not open: " + world.error().text);
    }
    fs_.set_capacity(INT64_MAX);
    fs_.fail_nth_change(0);
    fs_.power_cut();
    ++shared_.counts.crashes;
    check(rng);
  }

 private:
  void work(World& world) {
    ignore(world.features->apply(Ctx(), features::parse_definitions(kDefinitions).value()),
           "a fault; a later life tries again");
    if (faults_.full) fs_.set_capacity(static_cast<int64_t>(200'000 + dice_.below(600'000)));
    std::vector<std::unique_ptr<FeatureClient>> clients;
    for (int c = 0; c < spec_.clients; ++c) {
      clients.push_back(std::make_unique<FeatureClient>(world, executor_, shared_, dice_.next()));
    }
    run_clients(executor_, fs_, clients, spec_.steps, faults_.crash_at);
  }

  // Opens cleanly and looks, twice: the second time from a snapshot.
  void check(SimRng& rng) {
    const int64_t now_us = executor_.clock().now_us();
    std::optional<std::vector<std::vector<Cell>>> before;
    for (int again = 0; again < 2; ++again) {
      Result<std::unique_ptr<World>> world = World::open(executor_, fs_, rng);
      if (!world.ok())
        return shared_.violations.add("does not open after a crash: " + world.error().text);
      check_rows(**world, shared_.account, shared_.violations);
      const auto now = served(**world, now_us + kMinuteUs, shared_.violations);
      shared_.violations.require(!before || *before == now, "another start serves something else");
      before = now;
      const Status saved = (*world)->features->snapshot();
      if (!saved.ok()) shared_.violations.add("no snapshot: " + saved.error().text);
    }
  }

  const HistorySpec& spec_;
  SimExecutor& executor_;
  SimFs& fs_;
  SimRng& dice_;
  Shared shared_;
  Faults faults_;
};

}  // namespace

HistoryResult run_feature_history(const HistorySpec& spec) {
  HistoryResult result;
  SimExecutor executor(spec.seed);
  executor.run([&] {
    SimFs fs(spec.seed ^ 0xfea7);
    SimRng dice(spec.seed ^ 0xfd1ce);
    Account account;
    Violations violations;
    for (int life = 0; life < spec.lives && violations.all().empty(); ++life)
      FeatureLife(spec, executor, fs, dice, {account, violations, result}).run(life);
    result.violations = violations.all();
  });
  return result;
}

}  // namespace slip::sim
