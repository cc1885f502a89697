#pragma once

#include <memory>
#include <string>

#include "store/blobs.h"
#include "store/packs/frame.h"

// open_blobs() with settings that only tests and benchmarks change. Any thread.
namespace slip::store::packs {

struct Options {
  int64_t pack_bytes_max = kPackBytesMax;
};

Result<std::unique_ptr<Blobs>> open(World world, const std::string& dir, Options options);

}  // namespace slip::store::packs
