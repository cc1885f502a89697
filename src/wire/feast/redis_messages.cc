#include "wire/feast/redis_messages.h"

#include <feast/values.pb.h>
#include <google/protobuf/timestamp.pb.h>

#include "base/text.h"
#include "wire/feast/values.h"

namespace slip::wire::feast {
namespace {

constexpr int64_t kSecondsMax = int64_t{1} << 40;  // Of a time that microseconds can hold.

template <class Message>
bool parse(std::string_view bytes, Message* out) {
  return bytes.size() <= INT32_MAX &&
         out->ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
}

Error damaged(std::string_view what) {
  return corrupt("feature.redis_value", concat({"a field in Redis is no ", what, " of Feast's"}));
}

}  // namespace

std::string RedisMessages::value(const features::Cell& cell,
                                 const features::FeatureType& type) const {
  ::feast::types::Value out;
  set_value(cell, type, &out);
  return out.SerializeAsString();
}

Result<features::Cell> RedisMessages::cell(std::string_view value,
                                           const features::FeatureType& type) const {
  ::feast::types::Value in;
  if (!parse(value, &in)) return damaged("value");
  Result<features::Cell> out = cell_of_value(in, type);
  if (!out.ok()) return damaged(type.text());
  return out;
}

std::string RedisMessages::time(int64_t us) const {
  ::google::protobuf::Timestamp out;
  out.set_seconds(us / 1'000'000 - (us % 1'000'000 < 0 ? 1 : 0));
  out.set_nanos(static_cast<int32_t>((us - out.seconds() * 1'000'000) * 1000));
  return out.SerializeAsString();
}

Result<int64_t> RedisMessages::time_us(std::string_view message) const {
  ::google::protobuf::Timestamp in;
  if (!parse(message, &in) || in.seconds() > kSecondsMax || in.seconds() < -kSecondsMax)
    return damaged("time");
  return in.seconds() * 1'000'000 + in.nanos() / 1000;
}

}  // namespace slip::wire::feast
