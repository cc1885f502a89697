#include "store/db.h"

namespace slip::store {

Result<bool> Tx::first(std::string_view sql, std::initializer_list<Value> args,
                       const std::function<void(const Row&)>& on_row) {
  bool found = false;
  TRY(each(sql, args, [&](const Row& row) {
    if (!found) on_row(row);
    found = true;
  }));
  return found;
}

}  // namespace slip::store
