#include "wire/async/prefer.h"

#include <algorithm>
#include <optional>

#include "base/text.h"

namespace slip::wire::async {
namespace {

// Up to `end` outside of quotes.
std::string_view take_until(std::string_view* in, char end) {
  bool quoted = false;
  size_t at = 0;
  for (; at < in->size(); ++at) {
    const char c = (*in)[at];
    if (quoted && c == '\\') {
      ++at;
      continue;
    }
    if (c == '"') quoted = !quoted;
    if (c == end && !quoted) break;
  }
  at = std::min(at, in->size());
  const std::string_view out = in->substr(0, at);
  in->remove_prefix(std::min(at + 1, in->size()));
  return out;
}

std::string_view unquoted(std::string_view text) {
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"')
    return text.substr(1, text.size() - 2);
  return text;
}

}  // namespace

Preferences preferences_of(const Received& headers) {
  Preferences out;
  bool waits = false;
  for (const auto& [header, value] : headers) {
    if (header != "prefer") continue;
    std::string_view rest = value;
    while (!rest.empty()) {
      std::string_view one = take_until(&rest, ',');
      one = trim(take_until(&one, ';'));  // Parameters mean nothing to these two.
      const size_t equals = one.find('=');
      const std::string_view name = trim(one.substr(0, equals));
      const std::string_view text =
          equals == one.npos ? "" : unquoted(trim(one.substr(equals + 1)));
      if (iequals(name, "respond-async") && text.empty()) out.respond_async = true;
      if (!iequals(name, "wait") || waits) continue;
      waits = true;
      const std::optional<int64_t> seconds = parse_int(text);
      if (seconds && *seconds > 0) out.wait_s = std::min(*seconds, kWaitSecondsMax);
    }
  }
  return out;
}

}  // namespace slip::wire::async
