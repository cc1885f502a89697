#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

// Passwords as they are stored: scrypt (RFC 7914; N = 2^14, r = 8, p = 1: about 16 MiB and 40 ms).
// "scrypt$14$8$1$<salt, base64>$<32 bytes, base64>". Random tokens need no slow hash: auth/ keeps
// their SHA-256. Any thread; neither call is quick.
namespace slip::codec {

Result<std::string> hash_password(std::string_view password, std::string_view salt);
// False for a wrong password, and for a stored text that isn't in the form above.
bool check_password(std::string_view password, std::string_view stored);

}  // namespace slip::codec
