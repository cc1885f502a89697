#include <algorithm>
#include <map>

#include "base/check.h"
#include "base/text.h"
#include "store/db.h"
#include "store/sql.h"

namespace slip::store {

class SchemaStep {
 public:
  static Status unbind(Tx& tx) { return tx.unbound(); }
};

namespace {

using StepId = std::pair<std::string, int64_t>;  // Module, number.

constexpr std::string_view kCreate =
    "CREATE TABLE IF NOT EXISTS schema_step (module TEXT NOT NULL, number BIGINT NOT NULL, "
    "applied_ms BIGINT NOT NULL, digest TEXT NOT NULL, PRIMARY KEY (module, number))";

// What sql.h's regex() calls; SQLite has it from sqlite_regex.cc.
constexpr std::string_view kRegexOfPostgres =
    "CREATE OR REPLACE FUNCTION regex_found(value TEXT, pattern TEXT) RETURNS BOOLEAN"
    " LANGUAGE SQL IMMUTABLE STRICT AS 'SELECT value ~ pattern'";

// Rows of a table marked so lie in its primary key; PostgreSQL's tables are heaps.
constexpr std::string_view kClustered = "/* clustered */";

std::string in_words_of(std::string_view kind, std::string sql) {
  if (kind == "sqlite" && sql.ends_with(kClustered))
    sql.replace(sql.size() - kClustered.size(), kClustered.size(), "WITHOUT ROWID");
  return sql;
}

// FNV-1a: enough to notice an edit, and base knows nothing better.
std::string digest_of(std::string_view sql) {
  uint64_t h = 0xcbf29ce484222325;
  for (const char c : sql) h = (h ^ static_cast<uint8_t>(c)) * 0x100000001b3;
  std::string bytes;
  for (int shift = 56; shift >= 0; shift -= 8)
    bytes += static_cast<char>(static_cast<uint8_t>(h >> shift));
  return to_hex(bytes);
}

std::string name_of(const StepId& id) { return id.first + "/" + std::to_string(id.second); }

Result<std::map<StepId, std::string>> applied_steps(Db& db) {
  std::map<StepId, std::string> out;
  TRY(db.write([&](Tx& tx) -> Status {
    TRY(tx.exec(kCreate, {}));
    if (db.kind() == "postgres") TRY(tx.exec(kRegexOfPostgres, {}));
    return {};
  }));
  TRY(db.read([&](Tx& tx) {
    out.clear();
    return tx.each("SELECT module, number, digest FROM schema_step", {},
                   [&](const Row& row) { out[{row.str(0), row.i64(1)}] = row.str(2); });
  }));
  return out;
}

Status check_known(const std::map<StepId, std::string>& applied, std::span<const Migration> steps) {
  std::map<StepId, std::string> known;
  std::map<std::string_view, int64_t> last;
  for (const Migration& step : steps) {
    CHECK(step.number == ++last[step.module]);  // 1, 2, … within a module.
    known[{std::string(step.module), step.number}] = digest_of(step.sql);
  }
  for (const auto& [id, digest] : applied) {
    const auto found = known.find(id);
    if (found == known.end())
      return conflict("store.schema_newer",
                      "the data was written by a newer version (schema step " + name_of(id) + ")")
          .with_hint("start that version or a later one; data never goes back");
    if (found->second != digest)
      return conflict("store.schema_edited",
                      "schema step " + name_of(id) + " is not the one that made this database");
  }
  return {};
}

Status record(Tx& tx, const Db& db, const Migration& step) {
  const std::string digest = digest_of(step.sql);
  TRY(tx.exec("INSERT INTO schema_step (module, number, applied_ms, digest) VALUES (?, ?, ?, ?)",
              {step.module, step.number, db.now_ms(), digest}));
  return {};
}

Status apply(Tx& tx, const Db& db, const Migration& step) {
  for (const std::string& sql : TRY(split_statements(step.sql)))
    TRY(tx.exec(in_words_of(db.kind(), sql), {}));
  return record(tx, db, step);
}

// In one transaction.
Status apply(Db& db, std::span<const Migration> steps) {
  return db.write([&](Tx& tx) -> Status {
    TRY(SchemaStep::unbind(tx));
    for (const Migration& step : steps)
      if (Status s = apply(tx, db, step); !s.ok())
        return std::move(s).error().within("schema step " +
                                           name_of({std::string(step.module), step.number}));
    return {};
  });
}

// The first line of dump_schema().
std::string headline(std::span<const Migration> steps) {
  std::string all;
  for (const Migration& step : steps)
    all += concat({step.module, "/", std::to_string(step.number), " ", digest_of(step.sql), "\n"});
  return concat({"-- steps ", digest_of(all), "\n"});
}

// In one transaction.
Status apply_whole(Db& db, std::span<const Migration> steps, std::string_view whole) {
  const auto statements = TRY(split_statements(whole));
  return db.write([&](Tx& tx) -> Status {
    TRY(SchemaStep::unbind(tx));
    for (const std::string& sql : statements) TRY(tx.exec(sql, {}));
    for (const Migration& step : steps) TRY(record(tx, db, step));
    return {};
  });
}

Status migrate_alone(Db& db, std::span<const Migration> steps, std::string_view whole) {
  const auto applied = TRY(applied_steps(db));
  TRY(check_known(applied, steps));
  // A new database has nothing to lose, and one commit keeps the first start short.
  if (applied.empty() && db.kind() == "sqlite" && whole.starts_with(headline(steps)))
    return apply_whole(db, steps, whole);
  if (applied.empty()) return apply(db, steps);
  for (const Migration& step : steps)
    if (!applied.contains({std::string(step.module), step.number}))
      TRY(apply(db, std::span(&step, 1)));
  return {};
}

Status dump_rows(Tx& tx, const std::string& table, std::string* out) {
  std::string names, values;
  TRY(tx.each("SELECT name FROM pragma_table_info(?) ORDER BY cid", {table}, [&](const Row& row) {
    names += (names.empty() ? "" : ", ") + row.str(0);
    values += (values.empty() ? "quote(" : " || ', ' || quote(") + row.str(0) + ")";
  }));
  return tx.each(
      concat({"SELECT ", values, " FROM ", table, " ORDER BY 1"}), {}, [&](const Row& row) {
        *out += concat({"INSERT INTO ", table, " (", names, ") VALUES (", row.str(0), ");\n"});
      });
}

}  // namespace

Status migrate(Db& db, std::span<const Migration> steps, std::string_view whole) {
  return db.exclusively([&] { return migrate_alone(db, steps, whole); });
}

Result<std::string> dump_schema(Db& db, std::span<const Migration> steps) {
  std::string out;
  TRY(db.read([&](Tx& tx) -> Status {
    out = headline(steps);
    std::vector<std::string> tables;
    TRY(
        tx.each("SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL"
                " AND name NOT LIKE 'sqlite%' AND name <> 'schema_step' ORDER BY rowid",
                {}, [&](const Row& row) {
                  if (row.str(0) == "table") tables.push_back(row.str(1));
                  out += row.str(2) + ";\n";
                }));
    for (const std::string& table : tables) TRY(dump_rows(tx, table, &out));
    return {};
  }));
  return out;
}

}  // namespace slip::store
