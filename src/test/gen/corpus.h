#pragma once

#include <map>
#include <string>
#include <string_view>

namespace slip::gen {

// The files of test/corpus/NAME by their names; tests run from the root of the repository.
std::map<std::string, std::string> corpus(std::string_view name);

}  // namespace slip::gen
