#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "store/db.h"

typedef struct pg_conn PGconn;
typedef struct pg_result PGresult;

// One connection to PostgreSQL with its prepared statements, and the Tx that runs on it. Private to
// store/. Used by one thread at a time; nothing here locks. After a broken connection every call
// fails; the owner throws it away.
namespace slip::store {

// The portable dialect as PostgreSQL wants it: `?` becomes $1, $2, …; TEXT columns in CREATE and
// ALTER compare bytewise.
std::string to_postgres(std::string_view sql);

// What an SQLSTATE means to callers. Empty: the connection broke.
Error pg_error(std::string_view sqlstate, std::string text);
// The transaction lost against another, or its plan went stale: the same body may pass next time.
bool worth_a_retry(const Error& error);

class PgConn {
 public:
  // kUnavailable `store.connection` when nobody answers or nobody is let in.
  static Result<std::unique_ptr<PgConn>> open(const std::string& url);
  ~PgConn();
  PgConn(const PgConn&) = delete;
  PgConn& operator=(const PgConn&) = delete;

  bool broken() const;
  Status control(const std::string& sql);

  struct FreeResult {
    void operator()(PGresult* r) const;
  };
  using Rows = std::unique_ptr<PGresult, FreeResult>;
  Result<Rows> run(std::string_view sql, std::span<const Value> args);

 private:
  struct Prepared {
    std::string sql;
    std::string name;  // Empty: not worth preparing (CREATE and the like).
    std::string text;  // As PostgreSQL wants it.
  };

  PgConn() = default;
  Result<const Prepared*> prepare(std::string_view sql);
  Result<Rows> checked(PGresult* raw, std::string_view sql);
  void forget_statements();

  PGconn* conn_ = nullptr;
  int64_t names_ = 0;
  std::list<Prepared> recent_;  // Latest first.
  std::unordered_map<std::string_view, std::list<Prepared>::iterator> by_sql_;
};

// A transaction that somebody else begins and ends. The first failed statement dooms it.
class PgTx final : public Tx {
 public:
  PgTx(PgConn& conn, bool read_only) : conn_(conn), read_only_(read_only) {}
  // The outcome of a body: a failed statement's error, or else its own.
  Status outcome(Status of_body) const;

 private:
  Result<int64_t> run(std::string_view sql, std::span<const Value> args,
                      const std::function<void(const Row&)>* on_row) override;
  Status unbound() override;
  Result<int64_t> run_once(std::string_view sql, std::span<const Value> args,
                           const std::function<void(const Row&)>* on_row);

  PgConn& conn_;
  const bool read_only_;
  int64_t rows_changed_ = 0;
  bool bounded_ = true;
  std::optional<Error> failed_;
};

}  // namespace slip::store
