#include "http/target.h"

#include <algorithm>

#include "base/text.h"

namespace slip::http {
namespace {

bool project_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_' || c == '.';
}

Error bad_target(std::string text) { return invalid("http.target", std::move(text)); }

}  // namespace

Status check_project(std::string_view project) {
  const bool good = !project.empty() && project.size() <= kProjectBytesMax && project[0] != '.' &&
                    std::ranges::all_of(project, project_char);
  if (!good)
    return invalid("project.syntax",
                   "a project's name has 1 to 128 letters, digits, '.', '_' or '-' and doesn't "
                   "begin with '.'");
  return {};
}

Status check_prefix(std::string_view prefix) {
  if (prefix.empty()) return {};
  const Error bad = invalid("http.prefix",
                            "a path such as /team/slipway, of letters, digits, '.', '_' and '-', "
                            "that ends without a '/'");
  if (!prefix.starts_with('/')) return bad;
  for (const std::string_view segment : split(prefix.substr(1), '/'))
    if (!check_project(segment).ok()) return bad;
  return {};
}

Result<Target> split_target(std::string_view target, std::string_view prefix) {
  if (target.size() > kTargetBytesMax)
    return invalid("http.target_too_long", "the request target is longer than 28 KiB");
  for (const char c : target)
    if (c <= ' ' || c == 0x7f || c == '#' || static_cast<unsigned char>(c) >= 0x80)
      return bad_target("the request target holds a character that must be percent-encoded");
  Target out;
  if (!target.starts_with('/')) {
    const size_t scheme = target.find("://");
    if (scheme == std::string_view::npos ||
        !(iequals(target.substr(0, scheme), "http") || iequals(target.substr(0, scheme), "https")))
      return bad_target("the request target must be a path or an http URL");
    target.remove_prefix(scheme + 3);
    const size_t end = std::min(target.find_first_of("/?"), target.size());
    out.authority = target.substr(0, end);
    target.remove_prefix(end);
    if (out.authority.empty() || out.authority.find('@') != std::string_view::npos)
      return bad_target("the request target names no plain host");
    if (!target.starts_with('/')) return bad_target("the request target has no path");
  }
  const size_t mark = target.find('?');
  out.path = target.substr(0, mark);
  if (mark != std::string_view::npos) out.query = target.substr(mark + 1);
  if (out.path.starts_with(prefix) &&
      (out.path.size() == prefix.size() || out.path[prefix.size()] == '/')) {
    out.path.remove_prefix(prefix.size());
    if (out.path.empty()) out.path = "/";
  }
  if (out.path.starts_with("/~")) {
    const size_t end = std::min(out.path.find('/', 2), out.path.size());
    out.project = out.path.substr(2, end - 2);
    TRY(check_project(out.project));
    out.path.remove_prefix(end);
    if (out.path.empty()) out.path = "/";
  }
  return out;
}

Status split_path(std::string_view path, std::vector<std::string_view>* segments) {
  segments->clear();
  path.remove_prefix(1);
  while (true) {
    const size_t end = path.find('/');
    segments->push_back(path.substr(0, end));
    if (end == std::string_view::npos) return {};
    if (segments->size() == kPathSegmentsMax)
      return invalid("http.target_too_long", "the path has more than 64 segments");
    path.remove_prefix(end + 1);
  }
}

Status decode_segment(std::string_view raw, std::string* out) {
  if (raw.find('%') == std::string_view::npos) {
    out->assign(raw);
  } else {
    auto decoded = percent_decode(raw, false);
    if (!decoded || decoded->find('\0') != std::string::npos)
      return invalid("path.encoding", "the path holds a broken percent-encoding");
    *out = std::move(*decoded);
  }
  if (*out == "." || *out == "..")
    return invalid("path.dot_segment", "the path holds a '.' or '..' segment");
  return {};
}

Status parse_query(std::string_view query, std::vector<std::pair<std::string, std::string>>* out) {
  out->clear();
  while (!query.empty()) {
    const size_t end = std::min(query.find('&'), query.size());
    const std::string_view pair = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    if (pair.empty()) continue;
    if (out->size() == kQueryPairsMax)
      return invalid("http.target_too_long", "the query has more than 1000 parameters");
    const size_t equals = std::min(pair.find('='), pair.size());
    auto key = percent_decode(pair.substr(0, equals), true);
    auto value = percent_decode(pair.substr(std::min(equals + 1, pair.size())), true);
    if (!key || !value)
      return invalid("query.encoding", "the query holds a broken percent-encoding");
    out->emplace_back(std::move(*key), std::move(*value));
  }
  return {};
}

}  // namespace slip::http
