#include "codec/password.h"

#include <vector>

#include <openssl/evp.h>

#include "base/text.h"

namespace slip::codec {
namespace {

constexpr uint64_t kCost = 1 << 14;
constexpr size_t kKeyBytes = 32;
constexpr uint64_t kBlock = 8;
constexpr uint64_t kParallel = 1;
constexpr uint64_t kMemoryBytesMax = 64 << 20;
constexpr std::string_view kPrefix = "scrypt$14$8$1$";

Result<std::string> derive(std::string_view password, std::string_view salt) {
  std::string key(kKeyBytes, '\0');
  const int ok = EVP_PBE_scrypt(password.data(), password.size(),
                                reinterpret_cast<const unsigned char*>(salt.data()), salt.size(),
                                kCost, kBlock, kParallel, kMemoryBytesMax,
                                reinterpret_cast<unsigned char*>(key.data()), key.size());
  if (ok != 1) return internal("password.scrypt", "scrypt failed");
  return key;
}

}  // namespace

Result<std::string> hash_password(std::string_view password, std::string_view salt) {
  const std::string key = TRY(derive(password, salt));
  return concat({kPrefix, to_base64(salt), "$", to_base64(key)});
}

bool check_password(std::string_view password, std::string_view stored) {
  if (!stored.starts_with(kPrefix)) return false;
  const std::vector<std::string_view> parts = split(stored.substr(kPrefix.size()), '$');
  if (parts.size() != 2) return false;
  const std::optional<std::string> salt = from_base64(parts[0]);
  const std::optional<std::string> want = from_base64(parts[1]);
  if (!salt || !want) return false;
  const Result<std::string> got = derive(password, *salt);
  return got.ok() && equal_secret(*got, *want);
}

}  // namespace slip::codec
