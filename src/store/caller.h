#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "store/db.h"
#include "sys/ctx.h"

// What the caller of a request may read of many objects, and what becomes theirs, as far as SQL
// needs to know it. A Ctx carries one (core/auth's) unless it may do everything; a domain asks it
// inside its own statements, so that pages are full and page tokens stay right. Any thread.
namespace slip::store {

// A condition to append to a WHERE: "" when every row may be read, else " AND …" with arguments.
struct RowTest {
  std::string sql;
  std::vector<std::string> args;
};

class Caller {
 public:
  virtual ~Caller() = default;
  // `column` yields, as TEXT, the uid of the object of `kind`; of a part (a run) its container's.
  virtual RowTest readable(std::string_view kind, std::string_view column) const = 0;
  // The same where each row names its own kind.
  virtual RowTest readable_of_any(std::string_view kind_column, std::string_view column) const = 0;
  // Inside the body that makes the object: its maker manages it.
  virtual Status own(Tx& tx, std::string_view kind, std::string_view uid) const = 0;
};

inline RowTest readable(const Ctx& ctx, std::string_view kind, std::string_view column) {
  return ctx.caller ? ctx.caller->readable(kind, column) : RowTest();
}
inline Status make_owner(Tx& tx, const Ctx& ctx, std::string_view kind, std::string_view uid) {
  return ctx.caller ? ctx.caller->own(tx, kind, uid) : Status();
}

}  // namespace slip::store
