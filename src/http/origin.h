#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

// Keeps web pages of strangers out: a page that rebinds its own name to our address sends a Host
// that isn't ours, a page elsewhere that posts to us sends its Origin. Immutable; any thread.
namespace slip::http {

class HostPolicy {
 public:
  // `bound`: the address the server listens on. Loopback names are ours when it is loopback; every
  // numeric address is when it is the wildcard (rebinding needs a name). `hosts`: further names
  // ("*": all). `origins`: further origins, "https://console.example:8443".
  HostPolicy(std::string_view bound, std::vector<std::string> hosts,
             std::vector<std::string> origins);

  // kForbidden `http.host_not_allowed`.
  Status check_host(std::string_view host) const;
  // For requests that change something; "" (no such field) is fine. kForbidden
  // `http.origin_not_allowed`.
  Status check_origin(std::string_view origin, std::string_view host) const;

 private:
  bool ours(std::string_view host) const;
  std::vector<std::string> hosts_;
  std::vector<std::string> origins_;
  bool loopback_ = false;
  bool wildcard_ = false;
  bool all_ = false;
};

// "Name:port", "[::1]:port" → lower-case name without port and brackets; "" when malformed.
std::string host_name(std::string_view host);

}  // namespace slip::http
