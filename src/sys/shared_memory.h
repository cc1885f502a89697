#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

// POSIX shared memory that another process has made, by its name (shm_open's, without slashes).
// Read and written by calls, never mapped: a file that its owner cuts short meanwhile is an error
// here, where a mapping would kill the process. Nothing is made, removed or resized. Any thread.
//
// Errors: kInvalid `shared_memory.name`; kNotFound `shared_memory.missing`; kForbidden
// `shared_memory.denied` (also for what is no plain file); kUnavailable `shared_memory.io`.
namespace slip {

class SharedMemory {
 public:
  virtual ~SharedMemory() = default;
  virtual Result<int64_t> size() const = 0;
  // All of it, or an error.
  virtual Status read(int64_t offset, std::span<char> out) const = 0;
  virtual Status write(int64_t offset, std::string_view bytes) const = 0;
};

Result<std::unique_ptr<SharedMemory>> open_shared_memory(const std::string& name);

}  // namespace slip
