#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "store/db.h"

struct sqlite3;

// A SQLite file that some other program made, for reading only: it is never written, and one read
// transaction makes all that is read one state of it, whatever its owner does meanwhile. One
// thread.
namespace slip::store {

class ForeignDb {
 public:
  // kNotFound `foreign.no_file`, kInvalid `foreign.not_sqlite`.
  static Result<std::unique_ptr<ForeignDb>> open(const std::string& path);
  ~ForeignDb();
  ForeignDb(const ForeignDb&) = delete;
  ForeignDb& operator=(const ForeignDb&) = delete;

  // kInvalid `foreign.read`, also for a column or table that it doesn't have.
  Status each(std::string_view sql, std::span<const std::string> args,
              const std::function<void(const Row&)>& on_row);

 private:
  ForeignDb() = default;
  sqlite3* db_ = nullptr;
};

}  // namespace slip::store
