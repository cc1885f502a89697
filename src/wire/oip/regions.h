#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "sys/shared_memory.h"
#include "sys/sync.h"
#include "wire/oip/infer.h"

// Shared memory that clients of this machine have registered, by names of theirs: tensors are read
// from it and written to it instead of travelling in messages. Off unless the operator says
// otherwise (`allow_client_shm`). Invariant: what a request names lies within its region, whatever
// the client does with the region meanwhile. Any thread.
//
// Errors: kUnsupported `shared_memory.off`; kInvalid `shared_memory.*`; kExists
// `shared_memory.exists`; kExhausted `shared_memory.too_many`.
namespace slip::wire::oip {

inline constexpr size_t kRegionsMax = 4096;
inline constexpr size_t kRegionNameBytesMax = 1024;
inline constexpr uint64_t kPlaceBytesMax = uint64_t{1} << 30;  // Of one tensor.

struct Region {
  std::string name;
  std::string key;  // As the client wrote it: shm_open's name.
  uint64_t offset = 0;
  uint64_t bytes = 0;
  std::unique_ptr<SharedMemory> memory;
};

class Regions {
 public:
  explicit Regions(bool allowed) : allowed_(allowed) {}

  bool allowed() const { return allowed_; }
  Status add(const std::string& name, const std::string& key, uint64_t offset, uint64_t bytes);
  // "": all. One that isn't there is fine.
  Status remove(const std::string& name);
  // "": all, by name. kInvalid `shared_memory.unknown`.
  Result<std::vector<std::shared_ptr<const Region>>> list(const std::string& name) const;
  // For a tensor of one request.
  Result<Place> find(const std::string& name, uint64_t offset, uint64_t bytes) const;

 private:
  const bool allowed_;
  sys::Guarded<std::map<std::string, std::shared_ptr<const Region>>> regions_;
};

// Fills an input, which has its name, type and shape; what an output puts there (at most
// `place.bytes`).
Status take_place(const Place& place, serving::Tensor* t);
Status write_place(const Place& place, std::string_view bytes);

}  // namespace slip::wire::oip
