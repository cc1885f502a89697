#pragma once

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

// What every service of this module stands on; all outlive it.
struct Deps {
  store::Db& db;
  store::Blobs& blobs;
  ledger::Ledger& ledger;
  Clock& clock;
  Rng& rng;
};

}  // namespace slip::tracking
