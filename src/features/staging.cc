#include "features/staging.h"

#include <algorithm>
#include <set>

#include "base/text.h"
#include "codec/hash.h"
#include "codec/json.h"
#include "core/query/query.h"
#include "features/file_batches.h"
#include "sys/clock.h"
#include "sys/fs.h"
#include "sys/log.h"

namespace slip::features {
namespace {

using codec::ColumnType;

constexpr std::string_view kHistory = "_slipway_history";
constexpr std::string_view kResult = "_slipway_result";
constexpr int kTriesMax = 4;  // Of a query whose inputs lose rows while it runs.

// ---- rows of a source as a table

enum class Marks : uint8_t { kNone, kAll };  // `_seq`, `_ingested`, `_deleted` behind the columns.

std::vector<codec::Field> fields_of(const Source& source, Marks marks) {
  std::vector<codec::Field> out;
  for (const FeatureField& f : source.columns)
    out.push_back(codec::make_field(f.name, column_type_of(f.type)));
  out.push_back(codec::make_field(source.event_time, ColumnType::kTimestampUs));
  if (marks == Marks::kAll && !source.created_time.empty())
    out.push_back(codec::make_field(source.created_time, ColumnType::kTimestampUs));
  if (marks == Marks::kNone) return out;
  out.push_back(codec::make_field("_seq", ColumnType::kInt64));
  out.push_back(codec::make_field("_ingested", ColumnType::kTimestampUs));
  out.push_back(codec::make_field("_deleted", ColumnType::kBool));
  return out;
}

void add_time(codec::Column* to, const engine::Column& times, int64_t row) {
  times.is_null(row) ? to->add_null() : to->add_i64(times.i64(row));
}

// The rows that are wanted; empty: all.
codec::Table table_of(const Batch& batch, const Source& source, Marks marks,
                      const std::vector<bool>& left_out = {}) {
  codec::Table out = codec::make_table(fields_of(source, marks));
  const std::vector<engine::Values> columns = columns_as(batch, source.columns);
  std::vector<engine::Column> views;
  for (const engine::Values& v : columns) views.push_back(v.view());
  const engine::Column event = batch.event.view();
  const engine::Column created = batch.created.view();
  for (int64_t i = 0; i < batch.rows(); ++i) {
    if (!left_out.empty() && left_out[static_cast<size_t>(i)]) continue;
    size_t c = 0;
    for (; c < views.size(); ++c)
      add_to_column(&out.columns[c], cell_at(views[c], i), source.columns[c].type);
    add_time(&out.columns[c++], event, i);
    if (marks == Marks::kAll) {
      if (!source.created_time.empty()) add_time(&out.columns[c++], created, i);
      out.columns[c++].add_i64(batch.seq(i));
      out.columns[c++].add_i64(batch.ingest(i));
      out.columns[c++].add_bool(batch.is_deleted(i));
    }
    ++out.rows;
  }
  return out;
}

Status fill_from(query::Database& db, std::string_view table, const Source& source,
                 const History::View& history) {
  TRY(db.create(table, fields_of(source, Marks::kAll)));
  return history.visit([&](const History::Chunk& chunk) -> Status {
    if (!chunk.batch.view.empty()) return {};  // Rows past the source, for one view.
    return db.append(table, table_of(chunk.batch, source, Marks::kAll));
  });
}

// ---- what has to change, as a query over the two tables

// Which columns have a null anywhere: a tombstone says nothing of those where it has one.
Result<std::vector<bool>> nullable_in(query::Database& db, const Source& source) {
  std::vector<bool> out(source.columns.size(), false);
  if (out.empty()) return out;
  for (const std::string_view table : {kHistory, kResult}) {
    std::string nulls;
    for (const FeatureField& f : source.columns)
      nulls += concat({nulls.empty() ? "" : ", ", "count(*) - count(", query::quoted(f.name),
                       ") AS ", query::quoted(f.name)});
    const auto rows = TRY(db.select(concat({"SELECT ", nulls, " FROM ", table})));
    const std::optional<codec::Table> one = TRY(rows->next());
    for (size_t c = 0; one && c < out.size(); ++c) out[c] = out[c] || one->columns[c].i64(0) > 0;
  }
  return out;
}

// That tombstone `t` takes row `r` back: it has the row's event time and, of what it says, the
// row's values. Plain equalities where nothing is null, so that a hash table finds the rows.
std::string takes_back(const Source& source, const std::vector<bool>& nullable, std::string_view t,
                       std::string_view r) {
  const auto same = [&](std::string_view name) {
    return concat({t, ".", query::quoted(name), " = ", r, ".", query::quoted(name)});
  };
  std::string out = same(source.event_time);
  for (size_t c = 0; c < nullable.size(); ++c) {
    const std::string& name = source.columns[c].name;
    out += nullable[c]
               ? concat({" AND (", t, ".", query::quoted(name), " IS NULL OR ", same(name), ")"})
               : concat({" AND ", same(name)});
  }
  return out;
}

// Tombstones, then rows: those of the result that aren't in the history, and those that a tombstone
// here takes back with the ones that have gone. `oldest_us`: older rows are left alone.
std::string changes(const Source& source, const std::vector<bool>& nullable,
                    std::optional<int64_t> oldest_us) {
  std::string columns;
  for (const codec::Field& f : fields_of(source, Marks::kNone))
    columns += concat({columns.empty() ? "" : ", ", query::quoted(f.name)});
  std::string young = "true";
  if (oldest_us)
    young = concat(
        {"epoch_us(", query::quoted(source.event_time), ") >= ", std::to_string(*oldest_us)});
  return concat(
      {"WITH gone_before AS (SELECT * FROM ",
       kHistory,
       " WHERE _deleted), kept AS (SELECT ",
       columns,
       " FROM ",
       kHistory,
       " h WHERE NOT _deleted AND ",
       young,
       " AND NOT EXISTS (SELECT 1 FROM gone_before t WHERE ",
       takes_back(source, nullable, "t", "h"),
       " AND (t._ingested, t._seq) > (h._ingested, h._seq)",
       ")), wanted AS (SELECT ",
       columns,
       " FROM ",
       kResult,
       " WHERE ",
       young,
       "), gone AS (SELECT * FROM kept EXCEPT ALL SELECT * FROM wanted),"
       " fresh AS (SELECT * FROM wanted EXCEPT ALL SELECT * FROM kept),"
       " again AS (SELECT r.* FROM (SELECT * FROM wanted EXCEPT ALL SELECT * FROM fresh) r"
       " WHERE EXISTS (SELECT 1 FROM gone t WHERE ",
       takes_back(source, nullable, "t", "r"),
       ")) SELECT * FROM (SELECT DISTINCT *, true AS _deleted FROM gone UNION ALL SELECT *, false"
       " FROM fresh UNION ALL SELECT *, false FROM again) ORDER BY _deleted DESC, ",
       query::quoted(source.event_time)});
}

// Counts what goes by.
class Counted final : public codec::TableReader {
 public:
  Counted(codec::TableReader& rows, int64_t* kept, int64_t* marked)
      : rows_(rows), kept_(kept), marked_(marked) {}
  const std::vector<codec::Field>& schema() const override { return rows_.schema(); }
  Result<std::optional<codec::Table>> next() override {
    std::optional<codec::Table> batch = TRY(rows_.next());
    if (!batch) return batch;
    const codec::Column& deleted = batch->columns.back();
    for (int64_t i = 0; i < batch->rows; ++i) ++*(deleted.boolean(i) ? marked_ : kept_);
    return batch;
  }

 private:
  codec::TableReader& rows_;
  int64_t* kept_;
  int64_t* marked_;
};

std::string inputs_text(const std::vector<Staging::Input>& inputs) {
  codec::Json out = codec::Json::array();
  for (const Staging::Input& i : inputs)
    out.push(codec::Json::object({{"table", i.table},
                                  {"source", i.source},
                                  {"through_seq", i.through_seq},
                                  {"rows", i.rows}}));
  return codec::to_json(out);
}

Result<std::vector<Staging::Input>> parse_inputs(std::string_view text) {
  std::vector<Staging::Input> out;
  const codec::Json list = TRY(codec::parse_json(text));
  for (const codec::Json& one : list.items()) {
    Staging::Input& input = out.emplace_back();
    input.table = TRY(codec::want_string(one, "table"));
    input.source = TRY(codec::want_string(one, "source"));
    input.through_seq = TRY(codec::want_int(one, "through_seq"));
    input.rows = TRY(codec::want_int(one, "rows"));
  }
  return out;
}

}  // namespace

struct Staging::Read {
  int64_t state = 0;  // Of the project: no row was erased since.
  struct Table {
    std::string name;
    Source source;
    History::View history;
  };
  std::vector<Table> tables;
};

Result<Staging::Read> Staging::read(const Ctx& ctx, const Source& source, Run* run) {
  Read out;
  out.state = TRY(deps_.features.history().erasures().state(ctx.project.text));
  for (const auto& [table, input] : source.computed->inputs) {
    History::View history =
        TRY(deps_.features.history().read({.project = ctx.project.text, .source = input}));
    run->inputs.push_back({.table = table,
                           .source = input,
                           .through_seq = history.last_seq(),
                           .rows = history.rows()});
    Source of = TRY(deps_.features.source_for(ctx, input, ""));
    out.tables.push_back({table, std::move(of), std::move(history)});
  }
  return out;
}

// Of everything beside the inputs' rows that decides the result.
std::string Staging::digest_of(const Ctx& ctx, const std::string& name, const Source& source,
                               const Read& inputs) const {
  const auto one = [](const std::string& called, const Source& of) {
    Definition whole;
    whole.kind = Kind::kSource;
    whole.name = called;
    whole.source = of;
    return whole.digest();
  };
  std::string all = one(name, source);
  for (const Read::Table& t : inputs.tables) all += one(t.name, t.source);
  const auto shelf = deps_.features.catalog().shelf(ctx.project.text);
  const auto& contracts = shelf->latest[static_cast<size_t>(Kind::kContract)];
  const auto contract = contracts.find(source.contract.substr(0, source.contract.find('#')));
  if (contract != contracts.end()) all += contract->second->digest;
  return codec::sha256(all).hex();
}

Result<bool> Staging::is_current(const Ctx& ctx, const std::string& name, const Source& source,
                                 const Run& run) {
  const std::vector<Run> last = TRY(runs(ctx, name, 1));
  if (last.empty() || last[0].query_digest != run.query_digest || last[0].inputs != run.inputs)
    return false;
  const std::optional<int64_t>& every = source.computed->every_us;
  return !every || run.begin_us - last[0].begin_us < *every;
}

Status Staging::refresh(const Ctx& ctx, const std::string& name, const Source& source) {
  for (int left = kTriesMax;;) {
    Status done = refresh_once(ctx, name, source);
    if (done.ok() || done.error().reason != "feature.erasing" || --left == 0) return done;
  }
}

Status Staging::refresh_once(const Ctx& ctx, const std::string& name, const Source& source) {
  Run run;
  run.begin_us = deps_.clock.now_us();
  const Read inputs = TRY(read(ctx, source, &run));
  run.query_digest = digest_of(ctx, name, source, inputs);
  if (TRY(is_current(ctx, name, source, run))) return {};
  const std::string key = concat({ctx.project.text, "/", name});
  const auto before = failed_.with([&](const auto& all) -> std::optional<Error> {
    const auto found = all.find(key);
    const bool same = found != all.end() && found->second.query_digest == run.query_digest &&
                      found->second.inputs == run.inputs;
    return same ? std::optional(found->second.why) : std::nullopt;
  });
  if (before) return *before;
  Status done = compute(ctx, name, source, inputs, &run);
  if (done.ok()) {
    failed_.with([&](auto& all) { all.erase(key); });
    return write(ctx, name, run);
  }
  Error why = std::move(done).error().within(concat({"Source ", name}));
  if (why.code == Code::kInvalid || why.code == Code::kExhausted ||
      (why.reason == "sql.time" && !ctx.cancelled()))  // The moment isn't to blame.
    failed_.with(
        [&](auto& all) { all.insert_or_assign(key, Failed{run.query_digest, run.inputs, why}); });
  return why;
}

Status Staging::compute(const Ctx& ctx, const std::string& name, const Source& source,
                        const Read& inputs, Run* run) {
  const sys::Lock lock(computing_);
  TRY(deps_.fs.remove_all(deps_.dir));  // What a crash has left.
  TRY(deps_.fs.make_dirs(deps_.dir));
  // Not the request's time: who asks again finds what this one has computed.
  const int64_t end_ns = deps_.clock.steady_ns() + kStagingSeconds * 1'000'000'000;
  const Status done = [&]() -> Status {
    query::Options options;
    options.dir = deps_.dir;
    options.memory_bytes = deps_.memory_bytes;
    options.over = [&] { return ctx.cancelled() || deps_.clock.steady_ns() > end_ns; };
    options.executor = &deps_.executor;
    options.clock = &deps_.clock;
    const auto db = TRY(query::Database::open(std::move(options)));
    for (const Read::Table& t : inputs.tables) TRY(fill_from(*db, t.name, t.source, t.history));
    std::vector<Quarantined> apart;
    TRY(take_result(ctx, name, source, *db, &apart));
    const History::View history =
        TRY(deps_.features.history().read({.project = ctx.project.text, .source = name}));
    TRY(fill_from(*db, kHistory, source, history));
    std::optional<int64_t> oldest_us;
    if (source.retention_us) oldest_us = deps_.features.now_us() - *source.retention_us;
    const auto rows = TRY(db->select(changes(source, TRY(nullable_in(*db, source)), oldest_us)));
    Counted counted(*rows, &run->added, &run->taken_back);
    const Features::Loading loading{
        .source = name, .to = To::kOffline, .wanted = {}, .computed = inputs.state};
    const Features::Pushed loaded = TRY(deps_.features.load(ctx, loading, counted));
    run->through_seq = std::max(history.last_seq(), loaded.first_seq + loaded.rows - 1);
    return keep_apart(ctx, name, apart, inputs.state);
  }();
  ignore(deps_.fs.remove_all(deps_.dir), "the next run removes it");
  TRY(done);
  run->end_us = deps_.clock.now_us();
  deps_.notes.info("source computed", {{"source", name},
                                       {"added", run->added},
                                       {"taken_back", run->taken_back},
                                       {"us", run->end_us - run->begin_us}});
  return {};
}

// An erasure that begins now looks at these rows after they are there, or they go again.
Status Staging::keep_apart(const Ctx& ctx, const std::string& name,
                           const std::vector<Quarantined>& apart, int64_t state) {
  TRY(deps_.features.quarantine().keep(ctx, name, apart));
  Status same = deps_.features.history().erasures().check(ctx.project.text, state);
  if (same.ok()) return same;
  std::vector<std::string> uids;
  for (const Quarantined& q : apart) uids.push_back(q.uid);
  TRY(deps_.features.quarantine().release(ctx, name, uids));
  return same;
}

// The query's rows, as the history would have them.
Status Staging::take_result(const Ctx& ctx, const std::string& name, const Source& source,
                            query::Database& db, std::vector<Quarantined>* more) {
  const Quarantine::Hashes apart = TRY(deps_.features.quarantine().hashes(ctx, name));
  const auto rows = TRY(db.select(source.computed->sql));
  std::set<std::string, std::less<>> there;
  for (const codec::Field& f : rows->schema()) {
    there.insert(f.name);
    if (lower(f.name) == "_deleted")
      return invalid("feature.column", "the query's result has a column _deleted")
          .with_hint("list the columns: SELECT a, b FROM … WHERE NOT _deleted");
  }
  for (const codec::Field& f : fields_of(source, Marks::kNone))
    if (!there.contains(f.name))
      return invalid(f.name == source.event_time ? "feature.time" : "feature.column",
                     concat({"the query's result has no column ", f.name}));
  FileBatches batches = TRY(FileBatches::open(*rows, source));
  TRY(db.create(kResult, fields_of(source, Marks::kNone)));
  while (std::optional<Batch> batch = TRY(batches.next())) {
    batch->source = name;
    for (int64_t i = 0; i < batch->rows(); ++i)
      if (batch->event.view().is_null(i))
        return invalid("feature.time", concat({"row ", std::to_string(batches.first_row() + i),
                                               ": no ", source.event_time}));
    const std::vector<bool> left_out =
        TRY(deps_.features.as_kept(ctx, apart, batches.first_row(), &*batch, more));
    TRY(db.append(kResult, table_of(*batch, source, Marks::kNone, left_out)));
  }
  return {};
}

Status Staging::write(const Ctx& ctx, const std::string& name, const Run& run) {
  return deps_.db.write([&](store::Tx& tx) -> Status {
    int64_t number = 0;
    TRY(tx.first("SELECT MAX(number) FROM feature_run WHERE project = ? AND source = ?",
                 {ctx.project.text, name},
                 [&](const store::Row& row) { number = row.is_null(0) ? 0 : row.i64(0); }));
    TRY(tx.exec(
        "INSERT INTO feature_run (project, source, number, begin_us, end_us, query_digest,"
        " inputs_json, added, taken_back, through_seq) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        {ctx.project.text, name, number + 1, run.begin_us, run.end_us, run.query_digest,
         inputs_text(run.inputs), run.added, run.taken_back, run.through_seq}));
    TRY(tx.exec("DELETE FROM feature_run WHERE project = ? AND source = ? AND number <= ?",
                {ctx.project.text, name, number + 1 - kRunsKept}));
    return {};
  });
}

Result<std::vector<Staging::Run>> Staging::runs(const Ctx& ctx, const std::string& name,
                                                int64_t limit) {
  std::vector<Run> out;
  std::vector<std::string> inputs;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    out.clear();
    inputs.clear();
    return tx.each(
        "SELECT number, begin_us, end_us, query_digest, inputs_json, added, taken_back, through_seq"
        " FROM feature_run WHERE project = ? AND source = ? ORDER BY number DESC LIMIT ?",
        {ctx.project.text, name, limit}, [&](const store::Row& row) {
          out.push_back({.number = row.i64(0),
                         .begin_us = row.i64(1),
                         .end_us = row.i64(2),
                         .query_digest = std::string(row.text(3)),
                         .inputs = {},
                         .added = row.i64(5),
                         .taken_back = row.i64(6),
                         .through_seq = row.i64(7)});
          inputs.emplace_back(row.text(4));
        });
  }));
  for (size_t i = 0; i < out.size(); ++i) out[i].inputs = TRY(parse_inputs(inputs[i]));
  return out;
}

}  // namespace slip::features
