#include "codec/arrow_frames.h"

#include <array>
#include <cstring>
#include <utility>

#include <arrow/api.h>
#include <arrow/ipc/api.h>

#include "base/guard.h"
#include "codec/arrow_io.h"

namespace slip::codec {
namespace {

constexpr size_t kPrefixBytes = 8;
constexpr std::array<char, kPrefixBytes> kEnd = {'\xff', '\xff', '\xff', '\xff', 0, 0, 0, 0};

std::string text_of(const std::shared_ptr<arrow::Buffer>& buffer) {
  if (!buffer || buffer->size() == 0) return {};
  return {reinterpret_cast<const char*>(buffer->data()), static_cast<size_t>(buffer->size())};
}

class Frames final : public ArrowFrames {
 public:
  explicit Frames(ByteSource& source)
      : file_(arrow_io::open_source(source, &pool_)),
        reader_(arrow::ipc::MessageReader::Open(file_.file)) {}

  Result<std::optional<ArrowFrame>> next() override {
    auto ran = guarded(Code::kInvalid, "table.syntax",
                       [&]() -> Result<std::optional<ArrowFrame>> { return read(); });
    if (!ran.ok()) return ran.error();
    return std::move(*ran);
  }

 private:
  Result<std::optional<ArrowFrame>> read() {
    auto message = reader_->ReadNextMessage();
    if (!message.ok()) {
      if (file_.failure->has_value()) return **file_.failure;
      TRY(arrow_io::take(message.status()));
    }
    if (*message == nullptr) return std::optional<ArrowFrame>();
    return std::optional(ArrowFrame{text_of((*message)->metadata()), text_of((*message)->body())});
  }

  arrow::CappedMemoryPool pool_{arrow::system_memory_pool(), arrow_io::kArrowBytesMax};
  arrow_io::SourceFile file_;
  std::unique_ptr<arrow::ipc::MessageReader> reader_;
};

}  // namespace

std::string arrow_message(std::string_view head, std::string_view body) {
  const size_t padded = (head.size() + 7) / 8 * 8;
  std::string out;
  out.reserve(kPrefixBytes + padded + body.size());
  out.append(4, '\xff');
  const auto length = static_cast<uint32_t>(padded);
  for (int shift = 0; shift < 32; shift += 8)
    out.push_back(static_cast<char>(static_cast<uint8_t>(length >> shift)));
  out.append(head);
  out.append(padded - head.size(), '\0');
  out.append(body);
  return out;
}

std::string_view arrow_end() { return {kEnd.data(), kEnd.size()}; }

Result<std::unique_ptr<ArrowFrames>> ArrowFrames::open(ByteSource& source) {
  return std::unique_ptr<ArrowFrames>(std::make_unique<Frames>(source));
}

}  // namespace slip::codec
