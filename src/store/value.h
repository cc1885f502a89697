#pragma once

#include <span>
#include <string_view>

#include "store/db.h"

// Rules about arguments and bodies that both databases must apply alike, or SQL that passes on one
// would fail on the other. Private to store/.
namespace slip::store {

// kInvalid `store.not_finite` for NaN or ±Inf, `store.text` for text that is not UTF-8 or holds
// U+0000 (PostgreSQL has no place for it).
Status check_values(std::span<const Value> args);

Error too_many_rows();                      // kInvalid `store.too_many_rows`
Error write_in_read(std::string_view sql);  // kInternal `store.write_in_read`
Error nested(std::string_view what);        // kInternal `store.nested`

}  // namespace slip::store
