#pragma once

namespace slip {

inline constexpr const char* kVersion = "0.1.0";

}  // namespace slip
