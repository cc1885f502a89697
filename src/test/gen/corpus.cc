#include "test/gen/corpus.h"

#include <filesystem>
#include <fstream>
#include <iterator>

namespace slip::gen {

std::map<std::string, std::string> corpus(std::string_view name) {
  std::map<std::string, std::string> out;
  const std::filesystem::path folder = std::filesystem::path("test/corpus") / name;
  if (!std::filesystem::exists(folder)) return out;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    std::ifstream in(entry.path(), std::ios::binary);
    out[entry.path().filename().string()] =
        std::string(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
  }
  return out;
}

}  // namespace slip::gen
