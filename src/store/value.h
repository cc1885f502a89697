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

// While one lives, its thread runs a body of `db`. A body that called back would wait for a
// connection, or for a writer, that it holds itself.
class InBody {
 public:
  explicit InBody(const Db* db);
  ~InBody();
  InBody(const InBody&) = delete;
  InBody& operator=(const InBody&) = delete;
  // kInternal `store.nested` when the calling thread is inside a body of `db`.
  static Status refuse(const Db* db);

 private:
  const Db* const db_;
  const InBody* const outer_;
};

}  // namespace slip::store
