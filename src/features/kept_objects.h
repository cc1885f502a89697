#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "store/db.h"
#include "sys/ctx.h"

namespace slip {
class Clock;
}
namespace slip::ledger {
class Ledger;
}

// Objects of a client's that mean nothing here and are given back as they came: saved data sets
// and references of Feast. Each change is an event of the ledger. Any thread; blocks.
namespace slip::features {

// limits
inline constexpr size_t kKeptBytesMax = 4 << 20;
inline constexpr int64_t kKeptOfProjectMax = 64 << 20;  // Of one kind, as base64.

class KeptObjects {
 public:
  struct Deps {
    store::Db& db;
    ledger::Ledger& ledger;
    Clock& clock;
  };
  explicit KeptObjects(Deps deps) : deps_(deps) {}

  // Replaces one of the name. kExhausted `feature.kept`.
  Status put(const Ctx& ctx, const std::string& kind, const std::string& name,
             const std::string& content);
  Result<std::vector<std::string>> list(const Ctx& ctx, const std::string& kind);  // By name.
  Result<std::optional<std::string>> find(const Ctx& ctx, const std::string& kind,
                                          const std::string& name);
  Result<bool> remove(const Ctx& ctx, const std::string& kind, const std::string& name);
  Status remove_all(const Ctx& ctx);  // Of the project.

 private:
  Deps deps_;
};

}  // namespace slip::features
