#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/snapshot.h"
#include "contract/record.h"
#include "features/compiled.h"
#include "store/db.h"
#include "sys/ctx.h"
#include "sys/sync.h"

namespace slip {
class Clock;
class Rng;
}  // namespace slip
namespace slip::ledger {
class Ledger;
}

// Definitions as they were applied, and all of them compiled. A version never changes what it
// means: applying another meaning makes the next version, and the one before goes on serving whom
// it serves. References of services and on-demand views are pinned to versions when they are
// applied.
//
// Invariants: what is in the catalogue compiles together; apply() takes all of its documents or
// none, with an event for each change in the same transaction. shelf() is an immutable snapshot for
// any thread; the rest may block.
//
// Errors: kInvalid those of definition.h, compiled.h and `feature.reference`, kNotFound
// `feature.not_found`, kConflict `feature.immutable|feature.in_use|feature.breaking`.
namespace slip::features {

struct Applied {
  Definition definition;  // With its version.
  std::string uid;
  std::string digest;
  int64_t created_ms = 0;
  std::string created_by;
};
using AppliedPtr = std::shared_ptr<const Applied>;

enum class Severity : uint8_t { kNone, kMinor, kWarn, kBreaking };
std::string_view severity_name(Severity severity);  // "none", "minor", "warn", "breaking"
struct Finding {
  Severity severity = Severity::kNone;
  std::string path;     // "features.spend_1h"
  std::string text;     // "removed"
  std::string readers;  // Who is concerned, joined by ", "; "": nobody known.
};
struct Change {
  Kind kind = Kind::kEntity;
  std::string name;
  int64_t version = 0;  // That there is afterwards.
  std::string action;   // "create", "new_version", "describe", "unchanged"
  Severity severity = Severity::kNone;
  std::vector<Finding> findings;
  int64_t backfill_rows = 0;  // Rows of history that a new version of a view reads.
};

struct SourceContract {
  std::shared_ptr<const contract::RecordChecker> checker;
  std::optional<int64_t> freshness_us;  // Of its SLAs: how old the newest event may be.
};

// One project's definitions.
struct Shelf {
  std::map<std::string, AppliedPtr> latest[kKindCount];
  std::map<std::pair<std::string, int64_t>, AppliedPtr> all[kKindCount];
  std::map<std::pair<std::string, int64_t>, ViewPtr> views;
  std::map<std::string, ViewPtr> latest_views;
  std::map<std::pair<std::string, int64_t>, std::shared_ptr<const CompiledOnDemand>> on_demand;

  std::map<std::string, SourceContract> contracts;  // By source.

  ViewPtr view(const std::string& name, int64_t version = 0) const;  // Null: none. 0: the latest.
  std::shared_ptr<const CompiledOnDemand> find_on_demand(const std::string& name,
                                                         int64_t version) const;
  std::vector<ViewPtr> views_of(const std::string& source) const;  // Every version.
};
using Shelves = std::map<std::string, std::shared_ptr<const Shelf>>;

class Catalog {
 public:
  struct Deps {
    store::Db& db;
    ledger::Ledger& ledger;
    Clock& clock;
    Rng& rng;
  };
  explicit Catalog(Deps deps);

  // Reads everything; at start and when another node has applied something.
  Status load();
  Status reload();  // If anything has changed since load() or reload().
  const Snapshot<Shelves>& shelves() const { return shelves_; }
  std::shared_ptr<const Shelf> shelf(const std::string& project) const;

  // What apply() would do; changes nothing.
  Result<std::vector<Change>> plan(const Ctx& ctx, std::vector<Definition> definitions);
  // `allow` is the gravest finding that is taken: a graver one is kConflict `feature.breaking`.
  Result<std::vector<Change>> apply(const Ctx& ctx, std::vector<Definition> definitions,
                                    Severity allow = Severity::kBreaking);
  // The latest version, or all of them when `version` is 0 and nobody reads it: kConflict
  // `feature.in_use` names who does.
  Status remove(const Ctx& ctx, Kind kind, const std::string& name);

 private:
  Status take(bool unless_same);
  struct Draft;
  Result<Draft> draft(const Ctx& ctx, std::vector<Definition> definitions);
  Result<std::shared_ptr<const Shelf>> compile(const std::string& project,
                                               std::vector<AppliedPtr> applied);
  uint32_t number_of(const std::string& uid);

  Deps deps_;
  Snapshot<Shelves> shelves_;
  sys::Mutex changing_;
  uint64_t loaded_ = 0;  // A hash of what was read last; guarded by changing_.
  // Of views by uid; guarded by changing_.
  std::map<std::string, uint32_t> numbers_;
  std::map<std::string, std::shared_ptr<ViewClocks>> clocks_;
};

// The findings between two versions of a view, with the services that read what has changed.
std::vector<Finding> compare_views(const CompiledView& before, const CompiledView& after,
                                   const Shelf& shelf);

std::span<const store::Migration> migrations();

}  // namespace slip::features
