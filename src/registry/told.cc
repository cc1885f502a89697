// What events keep of long texts.

#include <utility>

#include "base/text.h"
#include "registry/registry_internal.h"

namespace slip::registry {
namespace {

constexpr size_t kToldBytesMax = 40 << 10;  // As JSON; the ledger takes 64 KiB with all else.
constexpr size_t kEscapedBytesMax = 6;      // Of one character: \u0001.

}  // namespace

Told::Told(bool of_prompt) : body_(codec::Json::object()), left_bytes_(kToldBytesMax) {
  if (of_prompt) body_.set("prompt", true);
}

std::string Told::fitting(std::string_view value) {
  std::string json;
  codec::append_json_string(&json, value);
  if (json.size() <= left_bytes_) {
    left_bytes_ -= json.size();
    return std::string(value);
  }
  truncated_ = true;
  const std::string_view kept = utf8_prefix(value, left_bytes_ / kEscapedBytesMax);
  left_bytes_ = 0;
  return std::string(kept);
}

Told& Told::text(std::string_view key, std::string_view value) {
  body_.set(key, fitting(value));
  return *this;
}

Told& Told::maybe(std::string_view key, const std::optional<std::string>& value) {
  if (value) text(key, *value);
  return *this;
}

Told& Told::tags(const std::vector<Tag>& tags) {
  codec::Json out = codec::Json::object();
  for (const Tag& tag : tags) {
    if (left_bytes_ == 0) {
      truncated_ = true;
      break;
    }
    const std::string key = fitting(tag.key);
    out.set(key, fitting(tag.value));
  }
  body_.set("tags", std::move(out));
  return *this;
}

codec::Json Told::body() {
  if (truncated_) body_.set("truncated", true);
  return std::move(body_);
}

}  // namespace slip::registry
