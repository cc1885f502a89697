#include "bundle/tar.h"

#include <optional>

#include "base/text.h"

namespace slip::bundle {
namespace {

constexpr size_t kBlock = 512, kNameMax = 99, kSizeDigits = 11;

std::string octal(uint64_t value, size_t digits) {
  std::string out(digits, '0');
  for (size_t i = digits; i-- > 0; value >>= 3) out[i] = static_cast<char>('0' + (value & 7));
  return out;
}

std::optional<uint64_t> from_octal(std::string_view text) {
  uint64_t out = 0;
  for (const char c : text) {
    if (c == '\0' || c == ' ') break;
    if (c < '0' || c > '7' || out >> 60 != 0) return std::nullopt;
    out = out << 3 | static_cast<uint64_t>(c - '0');
  }
  return out;
}

// The header's bytes, those of the sum itself as blanks.
uint64_t checksum(std::string_view header) {
  uint64_t out = 0;
  for (size_t i = 0; i < kBlock; ++i)
    out += i >= 148 && i < 156 ? uint64_t{' '}
                               : static_cast<uint64_t>(static_cast<uint8_t>(header[i]));
  return out;
}

std::string header_of(std::string_view name, size_t size) {
  std::string out(kBlock, '\0');
  out.replace(0, name.size(), name);
  out.replace(100, 7, "0000644");
  out.replace(108, 7, "0000000");
  out.replace(116, 7, "0000000");
  out.replace(124, kSizeDigits, octal(size, kSizeDigits));
  out.replace(136, 11, octal(0, 11));
  out[156] = '0';
  out.replace(257, 8, std::string_view("ustar\00000", 8));
  out.replace(148, 8, octal(checksum(out), 6) + std::string("\0 ", 2));
  return out;
}

Error bad(std::string_view what) {
  return invalid("bundle.archive", concat({"no bundle: ", what}));
}

std::string_view text_at(std::string_view header, size_t at, size_t size) {
  const std::string_view whole = header.substr(at, size);
  return whole.substr(0, whole.find('\0'));
}

}  // namespace

bool plain_name(std::string_view name) {
  if (name.empty() || name.size() > kNameMax) return false;
  for (const std::string_view part : split(name, '/')) {
    if (part.empty() || part == "." || part == "..") return false;
    for (const char c : part)
      if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
            c == '.' || c == '_' || c == '-'))
        return false;
  }
  return true;
}

std::string pack(const Files& files) {
  std::string out;
  for (const auto& [name, bytes] : files) {
    out += header_of(name, bytes.size());
    out += bytes;
    out.append((kBlock - bytes.size() % kBlock) % kBlock, '\0');
  }
  out.append(2 * kBlock, '\0');
  return out;
}

Result<Files> unpack(std::string_view bytes) {
  Files out;
  while (bytes.size() >= kBlock) {
    const std::string_view header = bytes.substr(0, kBlock);
    if (header.find_first_not_of('\0') == header.npos) return out;
    bytes.remove_prefix(kBlock);
    const std::optional<uint64_t> sum = from_octal(header.substr(148, 8));
    const std::optional<uint64_t> size = from_octal(header.substr(124, 12));
    if (!sum || *sum != checksum(header)) return bad("a header's checksum is wrong");
    if (!size || *size > bytes.size()) return bad("it ends early");
    const std::string_view name = text_at(header, 0, 100);
    if ((header[156] != '0' && header[156] != '\0') || !text_at(header, 345, 155).empty() ||
        !plain_name(name))
      return bad("it holds something else than plain files");
    if (!out.emplace(name, bytes.substr(0, *size)).second) return bad("a file is there twice");
    const size_t padded = (*size + kBlock - 1) / kBlock * kBlock;
    if (padded > bytes.size()) return bad("it ends early");
    bytes.remove_prefix(padded);
  }
  return bad("it ends early");
}

}  // namespace slip::bundle
