#include "tracking/location.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/text.h"

namespace slip::tracking {
namespace {

constexpr size_t kLocationMax = 2048;
constexpr int kDecodeRoundsMax = 32;  // A text that still changes then is hostile.

bool is_scheme(std::string_view text) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  const auto more = [&](char c) {
    return letter(c) || (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.';
  };
  return !text.empty() && letter(text.front()) && std::ranges::all_of(text, more);
}

std::vector<std::string> decoded_segments(std::string_view path) {
  std::vector<std::string> out;
  for (const std::string_view part : split(path, '/'))
    if (!part.empty()) out.push_back(fully_decoded(std::string(part)));
  return out;
}

bool begins_with(const std::vector<std::string>& all, const std::vector<std::string>& first) {
  return all.size() >= first.size() && std::equal(first.begin(), first.end(), all.begin());
}

}  // namespace

UriParts split_uri(std::string_view uri) {
  UriParts out;
  const size_t colon = uri.find(':');
  if (colon != uri.npos && is_scheme(uri.substr(0, colon))) {
    out.scheme = lower(uri.substr(0, colon));
    uri.remove_prefix(colon + 1);
  }
  if (const size_t tail = uri.find_first_of("?#"); tail != uri.npos) {
    out.tail = uri.substr(tail);
    uri = uri.substr(0, tail);
  }
  if (uri.starts_with("//")) {
    const size_t slash = uri.find('/', 2);
    out.host = uri.substr(2, slash == uri.npos ? uri.npos : slash - 2);
    uri = slash == uri.npos ? std::string_view() : uri.substr(slash);
  }
  out.path = uri;
  return out;
}

std::string fully_decoded(std::string text) {
  for (int i = 0; i < kDecodeRoundsMax; ++i) {
    auto next = percent_decode(text, false);
    if (!next || *next == text) break;
    text = std::move(*next);
  }
  return text;
}

std::string below_uri(std::string_view uri, std::string_view rest) {
  const size_t colon = uri.find(':');
  const bool has_scheme = colon != uri.npos && is_scheme(uri.substr(0, colon));
  const size_t tail = has_scheme ? uri.find_first_of("?#", colon) : uri.npos;
  std::string_view base = uri.substr(0, tail);
  while (base.ends_with('/') && !base.ends_with(":/")) base.remove_suffix(1);
  return concat({base, base.ends_with('/') ? "" : "/", rest,
                 tail == uri.npos ? std::string_view() : uri.substr(tail)});
}

bool is_local_uri(std::string_view uri) {
  const std::string scheme = split_uri(uri).scheme;
  return scheme.empty() || scheme == "file";
}

std::string local_path(std::string_view uri) {
  const std::string path = fully_decoded(split_uri(uri).path);
  std::vector<std::string> parts;
  for (const std::string_view part : split(path, '/')) {
    if (part.empty() || part == ".") continue;
    if (part != "..")
      parts.emplace_back(part);
    else if (!parts.empty())
      parts.pop_back();
  }
  return "/" + join(parts, "/");
}

std::string absolute_location(std::string_view location, std::string_view working_dir) {
  const UriParts parts = split_uri(location);
  if (!parts.scheme.empty() && parts.scheme != "file") return std::string(location);
  if (parts.path.starts_with('/') || !parts.host.empty()) return std::string(location);
  std::string_view path = parts.path;
  while (path.starts_with("./")) path.remove_prefix(2);
  if (path == ".") path = {};
  const std::string whole = path.empty() ? std::string(working_dir) : below_uri(working_dir, path);
  return parts.scheme.empty() ? whole + parts.tail : concat({"file://", whole, parts.tail});
}

Status check_location(std::string_view location) {
  const UriParts parts = split_uri(location);
  const auto bad = [](std::string text) { return invalid("experiment.location", std::move(text)); };
  if (parts.tail.find('#') != std::string::npos || parts.path.find(';') != std::string::npos)
    return bad("'artifact_location' URL can't include fragments or params.");
  if (fully_decoded(parts.tail).find("..") != std::string::npos) return bad("Invalid query string");
  if (parts.scheme == "runs")
    return bad(concat({"Artifact location cannot be a runs:/ URI. Given: '", location, "'"}));
  if (!is_utf8(location)) return bad("'artifact_location' is not valid UTF-8");
  if (utf8_length(location) <= kLocationMax) return {};
  return bad(
      concat({"Invalid artifact path length. The length of the artifact path cannot be "
              "greater than ",
              std::to_string(kLocationMax), " characters."}));
}

bool lies_below(std::string_view uri, std::string_view root) {
  const UriParts a = split_uri(uri);
  const UriParts b = split_uri(root);
  if (a.scheme != b.scheme || !iequals(a.host, b.host)) return false;
  const std::vector<std::string> wanted = decoded_segments(b.path);
  return !wanted.empty() && begins_with(decoded_segments(a.path), wanted);
}

bool is_proxied_uri(std::string_view uri) {
  const UriParts parts = split_uri(uri);
  if (parts.scheme == "mlflow-artifacts") return true;
  if (parts.scheme != "http" && parts.scheme != "https") return false;
  const std::vector<std::string> proxy = {"api", "2.0", "mlflow-artifacts", "artifacts"};
  std::vector<std::string> path = decoded_segments(parts.path);
  for (; path.size() >= proxy.size(); path.erase(path.begin()))
    if (begins_with(path, proxy)) return true;
  return false;
}

}  // namespace slip::tracking
