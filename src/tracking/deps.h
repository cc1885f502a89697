#pragma once

#include <string>

#include "tracking/local_files.h"

namespace slip {
class Clock;
class Rng;
}  // namespace slip
namespace slip::store {
class Db;
class Blobs;
}  // namespace slip::store
namespace slip::ledger {
class Ledger;
}

namespace slip::tracking {

// Where artifacts lie besides the blobs, as the operator says.
struct ArtifactRoots {
  std::string root = "mlflow-artifacts:/";  // Below it lie experiments that name no location.
  std::string working_dir = "/";            // Relative locations are resolved against it.
  LocalFiles local = {};                    // When `root` is a directory of this machine.
  LocalFiles destination = {};              // What the proxy takes also goes there, as plain files.
};

// What every service of this module stands on; all outlive it.
struct Deps {
  store::Db& db;
  store::Blobs& blobs;
  ledger::Ledger& ledger;
  Clock& clock;
  Rng& rng;
  ArtifactRoots roots = {};
};

}  // namespace slip::tracking
