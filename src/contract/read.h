#pragma once

#include <string>
#include <vector>

#include "contract/contract.h"
#include "contract/shape.h"

// Parts of parse_contract, which have their kinds checked already: what they mean, and notes on
// what can't be meant. Pure.
namespace slip::contract {

// logicalTypeOptions of a property.
void read_limits(const codec::Json& options, Property* out, Notes* notes);
// One check; `of_object` when it stands below an object, not a property.
Quality read_quality(const codec::Json& value, std::string pointer, bool of_object, Notes* notes);
std::vector<Custom> read_customs(const codec::Json& owner, const std::string& pointer,
                                 Notes* notes);
std::string text_of(const codec::Json& object, std::string_view key);

}  // namespace slip::contract
