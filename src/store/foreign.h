#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "store/db.h"

// A database that some other program made, for reading only: a SQLite file, or PostgreSQL by its
// URL. It is never written, and one read transaction makes all that is read one state of it,
// whatever its owner does meanwhile. Statements are those of db.h's dialect that read; a failed one
// may end the transaction, so ask has_table() first. One thread.
namespace slip::store {

class ForeignDb {
 public:
  // PATH, sqlite:///PATH, or postgresql://…, also as SQLAlchemy has it (postgresql+psycopg2://…).
  // kNotFound `foreign.no_file`, kInvalid `foreign.not_sqlite`, kUnsupported `foreign.scheme`,
  // kUnavailable `store.connection`.
  static Result<std::unique_ptr<ForeignDb>> open(const std::string& source);
  virtual ~ForeignDb() = default;

  // kInvalid `foreign.read`, also for a column or table that it doesn't have.
  virtual Status each(std::string_view sql, std::span<const std::string> args,
                      const std::function<void(const Row&)>& on_row) = 0;
  virtual Result<bool> has_table(const std::string& name) = 0;
};

}  // namespace slip::store
