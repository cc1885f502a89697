#include "wire/mlflow/signed_links.h"

#include <utility>

#include "base/check.h"
#include "base/text.h"
#include "codec/hash.h"

namespace slip::wire::mlflow {

SignedLinks::SignedLinks(std::string key, std::string public_url, bool tls, std::string prefix)
    : key_(std::move(key)),
      public_url_(std::move(public_url)),
      tls_(tls),
      prefix_(std::move(prefix)) {
  CHECK(key_.size() >= 32);
  while (public_url_.ends_with('/')) public_url_.pop_back();
}

std::string SignedLinks::sign(const Grant& grant) const {
  std::string text;
  const auto add = [&](std::string_view field) {  // With its length: no two lists read alike.
    text += std::to_string(field.size());
    text += ':';
    text += field;
  };
  add(grant.what);
  add(std::to_string(grant.expires_s));
  for (const std::string_view field : grant.fields) add(field);
  return to_hex(codec::hmac_sha256(key_, text));
}

Status SignedLinks::check(const Grant& grant, std::string_view signature, int64_t now_s) const {
  if (!equal_secret(sign(grant), signature))
    return forbidden("link.signature", "The signature of this link is not valid");
  if (now_s > grant.expires_s) return forbidden("link.expired", "This link has expired");
  return {};
}

std::string SignedLinks::base_of(const http::Request& request) const {
  if (!public_url_.empty()) return public_url_;
  const bool https = tls_ || iequals(request.header("x-forwarded-proto"), "https");
  return concat({https ? "https://" : "http://", request.header("host"), prefix_});
}

}  // namespace slip::wire::mlflow
