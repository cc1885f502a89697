#include "http/origin.h"

#include <algorithm>

#include "base/text.h"

namespace slip::http {
namespace {

bool is_port(std::string_view text) {
  const auto port = parse_int(text);
  return !text.empty() && text[0] != '+' && port && *port >= 0 && *port <= 65535;
}

bool host_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
}

bool is_ipv4(std::string_view name) {
  const auto parts = split(name, '.');
  return parts.size() == 4 && std::ranges::all_of(parts, [](std::string_view part) {
           const auto n = parse_int(part);
           return n && *n >= 0 && *n <= 255;
         });
}

bool is_loopback(std::string_view name) {
  return name == "localhost" || name.ends_with(".localhost") || name == "::1" ||
         (is_ipv4(name) && name.starts_with("127."));
}

}  // namespace

std::string host_name(std::string_view host) {
  std::string name;
  std::string_view port;
  if (host.starts_with('[')) {
    const size_t close = host.find(']');
    if (close == std::string_view::npos) return {};
    name = lower(host.substr(1, close - 1));
    const auto bad = [](char c) { return c != ':' && c != '.' && !std::isxdigit(c & 0x7f); };
    if (name.find(':') == std::string::npos || std::ranges::any_of(name, bad)) return {};
    port = host.substr(close + 1);
    if (!port.empty() && !port.starts_with(':')) return {};
    if (!port.empty()) port.remove_prefix(1);
  } else {
    const size_t colon = std::min(host.find(':'), host.size());
    name = lower(host.substr(0, colon));
    if (!std::ranges::all_of(name, host_char)) return {};
    if (name.ends_with('.')) name.pop_back();
    port = host.substr(std::min(colon + 1, host.size()));
  }
  if (!port.empty() && !is_port(port)) return {};
  return name;
}

HostPolicy::HostPolicy(std::string_view bound, std::vector<std::string> hosts,
                       std::vector<std::string> origins)
    : origins_(std::move(origins)) {
  const std::string name = lower(bound);
  loopback_ = is_loopback(name);
  wildcard_ = name == "0.0.0.0" || name == "::";
  if (!wildcard_) hosts_.push_back(name);
  for (const std::string& host : hosts) {
    if (host == "*") all_ = true;
    hosts_.push_back(lower(host));
  }
}

bool HostPolicy::ours(std::string_view name) const {
  if (name.empty()) return false;
  if (all_ || ((loopback_ || wildcard_) && is_loopback(name))) return true;
  if (wildcard_ && (is_ipv4(name) || name.find(':') != std::string_view::npos)) return true;
  return std::ranges::find(hosts_, name) != hosts_.end();
}

Status HostPolicy::check_host(std::string_view host) const {
  if (host.empty()) return {};  // HTTP/1.0 without the field: no browser sends that.
  if (ours(host_name(host))) return {};
  return forbidden("http.host_not_allowed", "Invalid Host header: this server isn't known by it");
}

Status HostPolicy::check_origin(std::string_view origin, std::string_view host) const {
  if (origin.empty() || std::ranges::find(origins_, origin) != origins_.end() ||
      std::ranges::find(origins_, "*") != origins_.end())
    return {};
  const size_t scheme = origin.find("://");
  if (scheme != std::string_view::npos) {
    const std::string_view authority = origin.substr(scheme + 3);
    if (!host.empty() && iequals(authority, host)) return {};
    if (loopback_ && is_loopback(host_name(authority))) return {};
  }
  return forbidden("http.origin_not_allowed", "Cross-origin request blocked");
}

}  // namespace slip::http
