#include "sys/real_path.h"

#include <cstdlib>
#include <filesystem>
#include <system_error>

namespace slip {

std::string real_path(const std::string& path, const std::string& working_dir) {
  const std::filesystem::path whole = std::filesystem::path(working_dir) / path;
  std::error_code failed;
  const std::filesystem::path real = std::filesystem::weakly_canonical(whole, failed);
  std::string out = failed ? whole.lexically_normal().string() : real.string();
  while (out.size() > 1 && out.ends_with('/')) out.pop_back();
  return out;
}

}  // namespace slip
