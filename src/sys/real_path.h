#pragma once

#include <string>

// Paths of the operator's configuration, to be compared.
namespace slip {

// Absolute, below `working_dir` when it is relative, without links and without "/" at its end; as
// far as it is there, else as it was written.
std::string real_path(const std::string& path, const std::string& working_dir);

}  // namespace slip
