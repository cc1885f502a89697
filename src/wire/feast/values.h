#pragma once

#include "codec/json.h"
#include "features/cell.h"

namespace feast::types {
class Value;
}

// Feast's values. Pure; any thread.
namespace slip::wire::feast {

// As the HTTP feature server has them: seconds, base64, lists; a set is a list. kInvalid
// `feature.value`: maps and other nested values.
Result<codec::Json> json_of_value(const ::feast::types::Value& value);

// The same, as a column of that type holds it. None set: null.
Result<features::Cell> cell_of_value(const ::feast::types::Value& value,
                                     const features::FeatureType& type);

// Null: none is set.
void set_value(const features::Cell& cell, const features::FeatureType& type,
               ::feast::types::Value* out);

}  // namespace slip::wire::feast
