#pragma once

#include "codec/json.h"
#include "test/gen/dice.h"

namespace slip::gen {

// Any JSON value up to `depth` levels: edge numbers, keys and strings of every kind of character.
codec::Json json(Dice& dice, int depth);
// Well-formed UTF-8, mostly short, with controls, quotes and characters beyond the BMP.
std::string text(Dice& dice);

}  // namespace slip::gen
