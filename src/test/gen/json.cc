#include "test/gen/json.h"

#include <bit>
#include <cmath>

namespace slip::gen {
namespace {

double any_double(Dice& dice) {
  constexpr std::array<double, 10> kEdges = {
      0.0,     -0.0, 1.0, 0.1, 5e-324, 1e21, 1e-7, 1.7976931348623157e308, 9007199254740993.0,
      2.5e-310};
  if (dice.one_in(3)) return kEdges[dice.below(kEdges.size())];
  const double v = std::bit_cast<double>(dice.below(UINT64_MAX));
  return std::isfinite(v) ? v : 0.5;
}

int64_t any_int(Dice& dice) {
  constexpr std::array<int64_t, 6> kEdges = {0, -1, INT64_MAX, INT64_MIN, int64_t{1} << 53, 42};
  if (dice.one_in(2)) return kEdges[dice.below(kEdges.size())];
  return static_cast<int64_t>(dice.below(UINT64_MAX));
}

}  // namespace

std::string text(Dice& dice) {
  constexpr std::array<std::string_view, 14> kParts = {"a",
                                                       "Z",
                                                       "0",
                                                       " ",
                                                       "\"",
                                                       "\\",
                                                       "/",
                                                       "\n",
                                                       "\x01",
                                                       "\x7f",
                                                       "\xc3\xa9",
                                                       "\xe2\x82\xac",
                                                       "\xf0\x9f\x98\x80",
                                                       "\xef\xac\xb3"};
  std::string out;
  for (uint64_t i = dice.below(12); i > 0; --i) out += kParts[dice.below(kParts.size())];
  return out;
}

codec::Json json(Dice& dice, int depth) {
  switch (dice.below(depth > 0 ? 8 : 6)) {
    case 0:
      return nullptr;
    case 1:
      return dice.one_in(2);
    case 2:
      return any_int(dice);
    case 3:
      return any_double(dice);
    case 4:
    case 5:
      return text(dice);
    case 6: {
      codec::Json out = codec::Json::array();
      for (uint64_t i = dice.below(5); i > 0; --i) out.push(json(dice, depth - 1));
      return out;
    }
    default: {
      codec::Json out = codec::Json::object();
      for (uint64_t i = dice.below(dice.one_in(8) ? 30 : 5); i > 0; --i)
        out.set(text(dice), json(dice, depth - 1));
      return out;
    }
  }
}

}  // namespace slip::gen
