#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "codec/table.h"

namespace arrow {
class MemoryPool;
class Schema;
class Status;
namespace io {
class OutputStream;
class RandomAccessFile;
}  // namespace io
}  // namespace arrow

// Our sources and sinks as Arrow's files, for the .cc of codec alone. What the source or sink said
// is kept, for it is better than what Arrow makes of it. One thread an object.
namespace slip::codec::arrow_io {

inline constexpr int64_t kArrowBytesMax = int64_t{1} << 30;  // Of one reader.

using Failure = std::optional<Error>;
struct SourceFile {
  std::shared_ptr<arrow::io::RandomAccessFile> file;
  std::shared_ptr<const Failure> failure;
};
struct SinkStream {
  std::shared_ptr<arrow::io::OutputStream> stream;
  std::shared_ptr<const Failure> failure;
};
// What they are made of outlives them.
SourceFile open_source(ByteSource& source, arrow::MemoryPool* pool);
SinkStream open_sink(ByteSink& sink);

// Columns of measurements and moments: a dictionary of their values costs time and saves nothing.
std::vector<std::string> seldom_repeated(const arrow::Schema& schema);

Status take(const arrow::Status& status);

}  // namespace slip::codec::arrow_io
