#include "base/key_name.h"

#include <string>
#include <vector>

#include "base/text.h"

namespace slip {
namespace {

bool key_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         static_cast<unsigned char>(c) >= 0x80 ||
         std::string_view("_-. :/").find(c) != std::string_view::npos;
}

// What a path library would make of the name: "a//b" → "a/b", "./a" → "a", "a/../b" → "b".
std::string normal_path(std::string_view name) {
  std::vector<std::string> parts;
  for (const std::string_view part : split(name, '/')) {
    if (part.empty() || part == ".") continue;
    if (part == ".." && !parts.empty() && parts.back() != "..")
      parts.pop_back();
    else
      parts.emplace_back(part);
  }
  const std::string body = join(parts, "/");
  return name.starts_with('/') ? "/" + body : body.empty() ? "." : body;
}

// The name as a JSON string.
std::string quoted(std::string_view name) {
  std::string out = "\"";
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') out.push_back('\\');
    if (byte < 0x20)
      out += "\\u00" + to_hex(std::string_view(&c, 1));
    else
      out.push_back(c);
  }
  return out + '"';
}

Error bad(std::string_view where, std::string_view name, std::string_view why) {
  return invalid("key_name.form", concat({"Invalid value ", quoted(name), " for parameter '", where,
                                          "' supplied: ", why}));
}

}  // namespace

Status check_key_name(std::string_view where, std::string_view name) {
  for (const char c : name)
    if (!key_char(c))
      return bad(where, name,
                 "Names may only contain alphanumerics, underscores (_), dashes (-), periods "
                 "(.), spaces ( ), colon(:) and slashes (/).");
  const std::string resolved = normal_path(name);
  if (resolved == name && resolved != "." && !resolved.starts_with("..") &&
      !resolved.starts_with('/'))
    return {};
  return bad(where, name,
             concat({"Names may be treated as files in certain cases, and must not resolve "
                     "to other names when treated as such. This name would resolve to '",
                     resolved, "'"}));
}

}  // namespace slip
