#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "base/result.h"
#include "http/route.h"

// Links that carry a right of their own: whoever has one may do that one thing until it expires.
// The signature is HMAC-SHA256 over everything that matters, under a key that the server keeps.
// Immutable; any thread.
//
// Errors: kForbidden `link.signature|link.expired`.
namespace slip::wire::mlflow {

inline constexpr int64_t kPartLinkS = 3'600;  // A part of an upload.
inline constexpr int64_t kLinkS = 900;        // A file, unless another time is asked for.
inline constexpr int64_t kLinkMaxS = 604'800;

class SignedLinks {
 public:
  // `key`: at least 32 bytes. `public_url`: how clients reach the server ("https://ml.example"); ""
  // takes what the request itself was sent to, and `tls` says how.
  // `prefix`: the path below which the server is reached there, "" or "/a/b".
  SignedLinks(std::string key, std::string public_url, bool tls, std::string prefix = {});

  struct Grant {
    std::string_view what;  // "part", "get", "put"
    std::initializer_list<std::string_view> fields;
    int64_t expires_s = 0;  // Unix time.
  };
  std::string sign(const Grant& grant) const;
  Status check(const Grant& grant, std::string_view signature, int64_t now_s) const;

  // "http://host:port/prefix" of the link to be sent back to whom sent `request`.
  std::string base_of(const http::Request& request) const;

 private:
  std::string key_;
  std::string public_url_;
  bool tls_;
  std::string prefix_;
};

}  // namespace slip::wire::mlflow
