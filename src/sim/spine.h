#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "core/ledger/ledger.h"
#include "registry/registry.h"
#include "store/blobs.h"
#include "store/db.h"
#include "store/log.h"
#include "sys/sim/sim_executor.h"
#include "sys/sim/sim_fs.h"
#include "sys/sim/sim_rng.h"

// The spine of the product on a simulated world: what `serve` opens, less sockets.
namespace slip::sim {

// A registry's outside world without files: every version has a digest and passes its gate.
class PlainOrigins final : public registry::Origins {
 public:
  Result<Located> locate(const Ctx& ctx, const registry::NewVersion& wanted) override;
  Result<std::string> digest(const Ctx& ctx, const std::string& location) override;
  Result<std::optional<double>> metric(const Ctx& ctx, const registry::Version& version,
                                       const std::string& key) override;
  Result<std::vector<std::string>> authors(const Ctx& ctx,
                                           const registry::Version& version) override;
};

struct Spine {
  static Result<std::unique_ptr<Spine>> open(SimExecutor& executor, SimFs& fs, SimRng& rng);

  PlainOrigins origins;
  std::unique_ptr<store::Db> db;
  std::unique_ptr<store::Blobs> blobs;
  std::unique_ptr<store::SegmentLog> log;
  std::unique_ptr<ledger::Ledger> ledger;
  std::unique_ptr<registry::Registry> registry;
};

inline constexpr const char* kModel = "m";

}  // namespace slip::sim
