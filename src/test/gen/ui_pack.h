#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "codec/hash.h"

// Writes console packs as tools/ui_pack.py does, and broken ones for tests of the reader.
namespace slip::gen {

struct PackFile {
  std::string path;
  std::string mime;
  bool immutable = false;
  std::array<std::string, 3> forms;  // Identity, gzip, br; an empty one is absent.
};

inline void put_number(std::string& out, uint64_t value, size_t bytes) {
  for (size_t i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i) & 0xff);
}

inline void put_digest(std::string& out, std::string_view of) {
  for (const uint8_t byte : codec::sha256(of).bytes) out += static_cast<char>(byte);
}

// `files` in the order wanted; ascending by path makes a valid pack.
inline std::string make_ui_pack(const std::vector<PackFile>& files) {
  constexpr uint64_t kFixed = 8 + 3 * 48;
  uint64_t at = 64;
  for (const PackFile& file : files) at += kFixed + file.path.size() + file.mime.size();
  std::string index;
  std::string blobs;
  for (const PackFile& file : files) {
    put_number(index, file.path.size(), 2);
    put_number(index, file.mime.size(), 2);
    put_number(index, file.immutable ? 1 : 0, 4);
    for (const std::string& form : file.forms) {
      if (form.empty()) {
        index.append(48, '\0');
        continue;
      }
      put_number(index, at + blobs.size(), 8);
      put_number(index, form.size(), 8);
      put_digest(index, form);
      blobs += form;
    }
    index += file.path + file.mime;
  }
  std::string out = "SLIPUIPK";
  put_number(out, 1, 4);
  put_number(out, files.size(), 4);
  put_number(out, index.size(), 8);
  put_number(out, 64 + index.size() + blobs.size(), 8);
  put_digest(out, index);
  return out + index + blobs;
}

inline std::vector<PackFile> sample_ui_files() {
  return {
      {"assets/app-AbCd1234.js", "text/javascript; charset=utf-8", true, {"let app", "gz!", "br!"}},
      {"assets/favicon.svg", "image/svg+xml", false, {"<svg/>", "", ""}},
      {"index.html",
       "text/html; charset=utf-8",
       false,
       {"<head><!-- slipway:head --></head>", "", ""}},
  };
}

}  // namespace slip::gen
