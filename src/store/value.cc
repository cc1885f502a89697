#include "store/value.h"

#include <cmath>

#include "base/text.h"

namespace slip::store {
namespace {

thread_local const InBody* t_innermost = nullptr;

}  // namespace

Status check_values(std::span<const Value> args) {
  for (const Value& v : args) {
    if (const auto* d = std::get_if<double>(&v); d && !std::isfinite(*d))
      return invalid("store.not_finite", "the database holds finite numbers only");
    if (const auto* t = std::get_if<std::string_view>(&v);
        t && (t->find('\0') != std::string_view::npos || !is_utf8(*t)))
      return invalid("store.text", "text must be UTF-8 without U+0000");
  }
  return {};
}

Error too_many_rows() {
  return invalid("store.too_many_rows", concat({"one write changes more than ",
                                                std::to_string(kWriteRowsRefused), " rows"}));
}

Error write_in_read(std::string_view sql) {
  return internal("store.write_in_read", concat({sql, ": changes data inside Db::read"}));
}

InBody::InBody(const Db* db) : db_(db), outer_(std::exchange(t_innermost, this)) {}

InBody::~InBody() { t_innermost = outer_; }

Status InBody::refuse(const Db* db) {
  for (const InBody* b = t_innermost; b != nullptr; b = b->outer_)
    if (b->db_ == db) return internal("store.nested", "a body calls its own database");
  return {};
}

}  // namespace slip::store
