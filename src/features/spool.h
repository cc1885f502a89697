#pragma once

#include <memory>

#include "base/result.h"
#include "codec/table.h"

namespace slip::store {
class Blobs;
}

// Bytes of a request or of a reply that may be larger than memory: written once, then read at any
// place. They lie among the blobs without a name there, so a sweep takes them once the request that
// brought them has ended. One thread at a time.
namespace slip::features {

class Spool : public codec::ByteSink {
 public:
  // Once, after the last write; the source is all that is needed from then on.
  virtual Result<std::unique_ptr<codec::ByteSource>> bytes() = 0;
};

// `blobs` outlives it. kExhausted `fs.full`.
Result<std::unique_ptr<Spool>> make_spool(store::Blobs& blobs);

}  // namespace slip::features
