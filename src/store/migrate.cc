#include <algorithm>
#include <map>

#include "base/check.h"
#include "base/text.h"
#include "store/db.h"
#include "store/sql.h"

namespace slip::store {
namespace {

using StepId = std::pair<std::string, int64_t>;  // Module, number.

constexpr std::string_view kCreate =
    "CREATE TABLE IF NOT EXISTS schema_step (module TEXT NOT NULL, number BIGINT NOT NULL, "
    "applied_ms BIGINT NOT NULL, digest TEXT NOT NULL, PRIMARY KEY (module, number))";

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
  TRY(db.write([](Tx& tx) -> Status {
    TRY(tx.exec(kCreate, {}));
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

Status apply(Db& db, const Migration& step) {
  const auto statements = TRY(split_statements(step.sql));
  return db.write([&](Tx& tx) -> Status {
    for (const std::string& sql : statements) TRY(tx.exec(sql, {}));
    const std::string digest = digest_of(step.sql);
    TRY(tx.exec("INSERT INTO schema_step (module, number, applied_ms, digest) VALUES (?, ?, ?, ?)",
                {step.module, step.number, db.now_ms(), digest}));
    return {};
  });
}

}  // namespace

Status migrate(Db& db, std::span<const Migration> steps) {
  const auto applied = TRY(applied_steps(db));
  TRY(check_known(applied, steps));
  for (const Migration& step : steps) {
    const StepId id{std::string(step.module), step.number};
    if (applied.contains(id)) continue;
    if (Status s = apply(db, step); !s.ok())
      return std::move(s).error().within("schema step " + name_of(id));
  }
  return {};
}

}  // namespace slip::store
