#include "core/later/message.h"

#include <cstring>

#include "base/check.h"

namespace slip::later {
namespace {

constexpr uint8_t kFormat = 1;

void put(std::string_view text, std::string* out) {
  CHECK(text.size() <= UINT32_MAX);
  const auto size = static_cast<uint32_t>(text.size());
  char raw[sizeof size];
  std::memcpy(raw, &size, sizeof size);
  out->append(raw, sizeof size).append(text);
}

Error corrupt_head() { return corrupt("async.corrupt", "the head of a message does not decode"); }

Result<std::string> take(std::string_view* in) {
  uint32_t size = 0;
  if (in->size() < sizeof size) return corrupt_head();
  std::memcpy(&size, in->data(), sizeof size);
  in->remove_prefix(sizeof size);
  if (in->size() < size) return corrupt_head();
  std::string out(in->substr(0, size));
  in->remove_prefix(size);
  return out;
}

}  // namespace

std::string encode_head(const Head& head) {
  std::string out(1, static_cast<char>(kFormat));
  put(head.first, &out);
  for (const auto& [name, value] : head.headers) {
    put(name, &out);
    put(value, &out);
  }
  return out;
}

Result<Head> decode_head(std::string_view bytes) {
  if (bytes.empty() || bytes[0] != static_cast<char>(kFormat)) return corrupt_head();
  bytes.remove_prefix(1);
  Head out;
  out.first = TRY(take(&bytes));
  while (!bytes.empty()) {
    std::string name = TRY(take(&bytes));
    out.headers.emplace_back(std::move(name), TRY(take(&bytes)));
  }
  return out;
}

}  // namespace slip::later
