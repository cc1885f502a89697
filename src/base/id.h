#pragma once

#include <compare>
#include <string>

namespace slip {

// A string that cannot be handed over where another kind of string is meant.
template <class Tag>
struct Name {
  std::string text;
  auto operator<=>(const Name&) const = default;
};

using Project = Name<struct ProjectTag>;
inline const char* const kDefaultProject = "default";

}  // namespace slip
