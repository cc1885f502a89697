#include "store/pg_conn.h"

#include <array>

#include <libpq-fe.h>

#include "base/check.h"
#include "base/text.h"
#include "store/sql.h"
#include "store/value.h"

namespace slip::store {
namespace {

constexpr size_t kStatementsCached = 256;
constexpr Oid kBool = 16;
constexpr Oid kBytea = 17;

struct StateOf {
  std::string_view prefix;
  Code code;
  std::string_view reason;
};
// https://www.postgresql.org/docs/15/errcodes-appendix.html; the first prefix that fits.
constexpr StateOf kStates[] = {
    {"23505", Code::kExists, "store.constraint"},
    {"23", Code::kConflict, "store.constraint"},
    {"40", Code::kUnavailable, "store.serialization"},
    {"0A000", Code::kUnavailable, "store.stale_plan"},
    {"26000", Code::kUnavailable, "store.stale_plan"},
    {"08P01", Code::kInternal, "store.sql"},
    {"08", Code::kUnavailable, "store.connection"},
    {"57014", Code::kTimeout, "store.cancelled"},
    {"57", Code::kUnavailable, "store.connection"},
    {"28", Code::kForbidden, "store.denied"},
    {"42501", Code::kForbidden, "store.denied"},
    {"25006", Code::kInternal, "store.write_in_read"},
    {"22003", Code::kInvalid, "store.out_of_range"},
    {"22021", Code::kInvalid, "store.text"},
    {"53100", Code::kExhausted, "store.full"},
    {"53200", Code::kExhausted, "memory.exhausted"},
    {"53", Code::kUnavailable, "store.busy"},
    {"54", Code::kInvalid, "store.too_big"},
    {"55P03", Code::kUnavailable, "store.busy"},
    {"58", Code::kUnavailable, "store.io"},
    {"XX001", Code::kCorrupt, "store.corrupt"},
    {"XX002", Code::kCorrupt, "store.corrupt"},
};

class PgRow final : public Row {
 public:
  PgRow(const PGresult* result, int row) : r_(result), row_(row) {}

  bool is_null(int c) const override { return PQgetisnull(r_, row_, c) != 0; }
  int64_t i64(int c) const override {
    const std::string_view v = text(c);
    if (const auto n = parse_int(v)) return *n;
    return static_cast<int64_t>(parse_double(v).value_or(0));  // A numeric or float column.
  }
  double f64(int c) const override { return parse_double(text(c)).value_or(0); }
  std::string_view text(int c) const override {
    if (PQftype(r_, c) == kBytea) return blob(c);
    const std::string_view v = raw(c);
    if (PQftype(r_, c) == kBool && !v.empty()) return v == "t" ? "1" : "0";
    return v;
  }
  std::string_view blob(int c) const override {
    const std::string_view v = raw(c);
    if (PQftype(r_, c) != kBytea || v.empty()) return v;
    CHECK(v.starts_with("\\x"));
    decoded_.push_back(from_hex(v.substr(2)).value_or(""));
    return decoded_.back();
  }

 private:
  std::string_view raw(int c) const {
    return {PQgetvalue(r_, row_, c), static_cast<size_t>(PQgetlength(r_, row_, c))};
  }
  const PGresult* r_;
  int row_;
  mutable std::list<std::string> decoded_;  // Views into it live as long as the row.
};

// Arguments in libpq's shape: parallel arrays of text, or of bytes where the value is bytes.
struct Params {
  std::vector<std::string> held;
  std::vector<const char*> values;
  std::vector<int> lengths;
  std::vector<int> formats;

  explicit Params(std::span<const Value> args) {
    held.reserve(args.size());
    for (const Value& v : args) add(v);
  }
  int count() const { return static_cast<int>(values.size()); }

 private:
  void add(const Value& v) {
    const bool null = std::holds_alternative<std::nullptr_t>(v);
    const bool bytes = std::holds_alternative<Blob>(v);
    held.push_back(null ? std::string() : as_text(v));
    values.push_back(null ? nullptr : held.back().c_str());
    lengths.push_back(static_cast<int>(held.back().size()));
    formats.push_back(bytes ? 1 : 0);
  }
  static std::string as_text(const Value& v) {
    if (const auto* n = std::get_if<int64_t>(&v)) return std::to_string(*n);
    if (const auto* d = std::get_if<double>(&v)) return format_double(*d);
    if (const auto* b = std::get_if<Blob>(&v)) return std::string(b->bytes);
    return std::string(std::get<std::string_view>(v));
  }
};

int64_t rows_changed(PGresult* r) {
  const std::string_view tag = PQcmdStatus(r);
  if (!tag.starts_with("INSERT") && !tag.starts_with("UPDATE") && !tag.starts_with("DELETE"))
    return 0;
  return parse_int(PQcmdTuples(r)).value_or(0);
}

bool defines(std::string_view word) {
  return word == "CREATE" || word == "ALTER" || word == "DROP";
}

}  // namespace

std::string to_postgres(std::string_view sql) {
  bool ddl = defines(first_word(sql));
  std::string out;
  std::string before;  // The word before this one, in lower case.
  int64_t placeholder = 0;
  while (!sql.empty()) {
    const SqlToken token = next_token(sql);
    sql.remove_prefix(token.text.size());
    if (token.kind == SqlToken::Kind::kOther && token.text == "?") {
      out += "$" + std::to_string(++placeholder);
      continue;
    }
    out += token.text;
    if (token.kind != SqlToken::Kind::kWord) continue;
    const std::string word = lower(token.text);
    // What a function takes has the collation of who calls it.
    if (word == "function" && (before == "create" || before == "replace")) ddl = false;
    if (ddl && word == "text" && before != "as") out += " COLLATE \"C\"";
    before = word;
  }
  return out;
}

Error pg_error(std::string_view sqlstate, std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  Error e{Code::kInternal, "store.sql", std::move(text), {}};
  if (sqlstate.empty()) {
    e.code = Code::kUnavailable;
    e.reason = "store.connection";
    return e;
  }
  for (const StateOf& row : kStates)
    if (sqlstate.starts_with(row.prefix)) {
      e.code = row.code;
      e.reason = row.reason;
      break;
    }
  return e;
}

bool worth_a_retry(const Error& error) {
  return error.reason == "store.serialization" || error.reason == "store.stale_plan";
}

void PgConn::FreeResult::operator()(PGresult* r) const { PQclear(r); }

Result<std::unique_ptr<PgConn>> PgConn::open(const std::string& url) {
  std::unique_ptr<PgConn> out(new PgConn);
  const char* const keys[] = {"dbname",          "client_encoding", "application_name",
                              "connect_timeout", "keepalives_idle", nullptr};
  const char* const values[] = {url.c_str(), "UTF8", "slipway", "10", "30", nullptr};
  out->conn_ = PQconnectdbParams(keys, values, 1);
  if (PQstatus(out->conn_) != CONNECTION_OK)
    return pg_error("", PQerrorMessage(out->conn_))
        .with_hint("is PostgreSQL running, and does the URL name the right host, user, database?");
  PQsetNoticeProcessor(out->conn_, [](void*, const char*) {}, nullptr);
  for (const char* set :
       {"SET synchronous_commit = on", "SET extra_float_digits = 1", "SET bytea_output = 'hex'",
        "SET standard_conforming_strings = on", "SET TimeZone = 'UTC'"})
    TRY(out->control(set));
  return out;
}

PgConn::~PgConn() { PQfinish(conn_); }

bool PgConn::broken() const { return PQstatus(conn_) != CONNECTION_OK; }

Result<PgConn::Rows> PgConn::checked(PGresult* raw, std::string_view sql) {
  Rows rows(raw);
  const ExecStatusType status = PQresultStatus(raw);
  if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK) return rows;
  if (status == PGRES_EMPTY_QUERY) return internal("store.sql", "an empty statement");
  const char* state = raw ? PQresultErrorField(raw, PG_DIAG_SQLSTATE) : nullptr;
  const char* text = raw ? PQresultErrorField(raw, PG_DIAG_MESSAGE_PRIMARY) : nullptr;
  Error e = pg_error(state ? state : "", text ? text : PQerrorMessage(conn_));
  if (e.reason == "store.stale_plan") forget_statements();
  return std::move(e).within(sql);
}

Status PgConn::control(const std::string& sql) {
  TRY(checked(PQexec(conn_, sql.c_str()), sql));
  return {};
}

void PgConn::forget_statements() {
  by_sql_.clear();
  recent_.clear();
  PQclear(PQexec(conn_, "DEALLOCATE ALL"));  // Names are never used twice, so a failure is fine.
}

Result<const PgConn::Prepared*> PgConn::prepare(std::string_view sql) {
  if (const auto found = by_sql_.find(sql); found != by_sql_.end()) {
    recent_.splice(recent_.begin(), recent_, found->second);
    return &recent_.front();
  }
  Prepared p{.sql = std::string(sql), .name = {}, .text = to_postgres(sql)};
  if (!defines(first_word(sql))) {
    p.name = "s" + std::to_string(++names_);
    TRY(checked(PQprepare(conn_, p.name.c_str(), p.text.c_str(), 0, nullptr), sql));
  }
  recent_.push_front(std::move(p));
  by_sql_.emplace(recent_.front().sql, recent_.begin());
  if (recent_.size() > kStatementsCached) {
    const Prepared& oldest = recent_.back();
    if (!oldest.name.empty()) TRY(control("DEALLOCATE " + oldest.name));
    by_sql_.erase(oldest.sql);
    recent_.pop_back();
  }
  return &recent_.front();
}

Result<PgConn::Rows> PgConn::run(std::string_view sql, std::span<const Value> args) {
  const Params params(args);
  const Prepared* p = TRY(prepare(sql));
  PGresult* raw =
      p->name.empty()
          ? PQexecParams(conn_, p->text.c_str(), params.count(), nullptr, params.values.data(),
                         params.lengths.data(), params.formats.data(), 0)
          : PQexecPrepared(conn_, p->name.c_str(), params.count(), params.values.data(),
                           params.lengths.data(), params.formats.data(), 0);
  return checked(raw, sql);
}

Status PgTx::outcome(Status of_body) const {
  if (failed_ && (of_body.ok() || worth_a_retry(*failed_))) return *failed_;
  return of_body;
}

Result<int64_t> PgTx::run(std::string_view sql, std::span<const Value> args,
                          const std::function<void(const Row&)>* on_row) {
  if (failed_) return *failed_;
  Result<int64_t> changed = run_once(sql, args, on_row);
  if (!changed.ok()) {
    failed_ = changed.error();
    return changed;
  }
  rows_changed_ += *changed;
  if (bounded_ && rows_changed_ > kWriteRowsRefused) failed_ = too_many_rows();
  if (failed_) return *failed_;
  return changed;
}

Status PgTx::unbound() {
  bounded_ = false;
  return conn_.control("SET LOCAL statement_timeout = 0");
}

Result<int64_t> PgTx::run_once(std::string_view sql, std::span<const Value> args,
                               const std::function<void(const Row&)>* on_row) {
  TRY(check_values(args));
  const PgConn::Rows rows = TRY(conn_.run(sql, args));
  if (on_row)
    for (int i = 0; i < PQntuples(rows.get()); ++i) (*on_row)(PgRow(rows.get(), i));
  return read_only_ ? 0 : rows_changed(rows.get());
}

}  // namespace slip::store
