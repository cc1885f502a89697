#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "base/text.h"
#include "store/redis.h"

// What servers tell each other in a Redis: a hash with the state of each ("3 ready": it has filled
// it for the third time), and one with the number of its last flush. Readings are answered when
// every state is a ready one. Pure.
namespace slip::features {

// Written for others: it is to write all that it has again; and: it didn't, and isn't waited for.
inline constexpr std::string_view kServerOwes = "0 owes";
inline constexpr std::string_view kServerForgotten = "0 forgotten ready";

inline std::string server_state(int64_t generation, std::string_view state) {
  return concat({std::to_string(generation), " ", state});
}
inline bool is_ready(std::string_view state) { return state.ends_with(" ready"); }

// Pairs of HGETALL.
inline std::map<std::string, std::string> pairs_of(const store::RedisReply& reply) {
  std::map<std::string, std::string> out;
  for (size_t i = 0; i + 1 < reply.items.size(); i += 2)
    out[reply.items[i].text] = reply.items[i + 1].text;
  return out;
}

}  // namespace slip::features
