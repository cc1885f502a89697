#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "contract/contract.h"
#include "contract/distinct.h"
#include "contract/report.h"
#include "engine/column/column.h"

// A table against one object of a contract, batch by batch, in one pass: of each column a block of
// rows goes through all rules while it is in the first cache. Memory is bounded: a batch, and
// `memory_bytes` for keys that must be unique. The same rows give the same report however they are
// split into batches. One thread; no clock: `now_us` comes from the caller.
namespace slip::contract {

struct FieldFact {
  std::string name;
  engine::Type type = engine::Type::kText;
  std::string type_name;  // As the file says: "int32", "timestamp[ms, tz=UTC]", "json".
  bool readable = true;   // False: listed, and no column of batches.
};

// Runs the queries of checks of type sql. Whoever has a database fills this in; without one such
// checks are not evaluated.
class SqlEngine {
 public:
  virtual ~SqlEngine() = default;
  // One number or truth value (as 0 and 1) of a query that only reads.
  virtual Result<double> scalar(const std::string& query) = 0;
};
// `{object}` and `{property}` filled in, quoted; kInvalid `contract.sql` for what is no single
// SELECT.
Result<std::string> sql_of(std::string_view query, std::string_view object,
                           std::string_view property);

// The keys of another object, for relationships: those columns of all its rows. Null: not at hand.
using KeySource = std::function<const engine::Keys*(const Relationship&)>;

struct CheckOptions {
  int64_t now_us = 0;
  size_t samples = 10;  // Of each check.
  bool loose = false;   // The file has no types of its own (CSV, JSON lines).
  int64_t memory_bytes = int64_t{1} << 30;
  Spill* spill = nullptr;
  SqlEngine* sql = nullptr;
  KeySource keys;
};

class Checker {
 public:
  // All borrowed must outlive it. `fields` are the file's; batches hold the readable ones, in
  // order.
  Checker(const Contract& contract, const Object& object, std::span<const FieldFact> fields,
          CheckOptions options);
  ~Checker();
  Checker(Checker&&) noexcept;
  Checker& operator=(Checker&&) noexcept;

  // kInvalid `contract.batch` for columns that are not those fields.
  Status add(std::span<const engine::Column> columns, int64_t rows);
  Result<Report> finish();  // Once.

 private:
  class Run;
  std::unique_ptr<Run> run_;
};

// Columns that a text file should give as text, whatever they look like.
std::vector<std::string> text_columns(const Object& object);

}  // namespace slip::contract
