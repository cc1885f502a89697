#include "contract/physical.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/text.h"
#include "engine/expr/civil.h"

namespace slip::contract {
namespace {

namespace expr = engine::expr;

struct FamilyRow {
  std::string_view family;
  std::string_view names;
};
constexpr std::array kFamilies = {
    FamilyRow{"bool", "bool boolean bit"},
    FamilyRow{"int8", "int8 tinyint byte"},
    FamilyRow{"int16", "int16 smallint int2 short"},
    FamilyRow{"int32", "int32 int integer int4 serial"},
    FamilyRow{"int64", "int64 bigint long int8b bigserial"},
    FamilyRow{"uint8", "uint8 utinyint"},
    FamilyRow{"uint16", "uint16 usmallint"},
    FamilyRow{"uint32", "uint32 uinteger"},
    FamilyRow{"uint64", "uint64 ubigint"},
    FamilyRow{"float", "float float32 real float4"},
    FamilyRow{"double", "double float64 float8 double precision"},
    FamilyRow{"string",
              "string text varchar char nvarchar nchar character varying large_string utf8 "
              "bpchar clob str"},
    FamilyRow{"binary", "binary bytes varbinary blob bytea large_binary fixed_size_binary"},
    FamilyRow{"date", "date date32 date64"},
    FamilyRow{"time", "time time32 time64"},
    FamilyRow{"timestamp",
              "timestamp datetime timestamp_ntz datetime2 datetime64 timestamptz "
              "timestamp_tz timestamp_ltz"},
    FamilyRow{"decimal", "decimal numeric number decimal128 decimal256"},
    FamilyRow{"list", "list array large_list fixed_size_list"},
    FamilyRow{"struct", "struct record object row"},
    FamilyRow{"map", "map"},
    FamilyRow{"json", "json jsonb variant"},
};

}  // namespace

std::optional<std::string> physical_family(std::string_view type) {
  const std::string low = lower(trim(type));
  const std::string word(trim(std::string_view(low).substr(0, low.find_first_of("(<["))));
  if (word.starts_with("timestamp ") || word.starts_with("dictionary")) {
    if (word.starts_with("dictionary")) {  // dictionary<values=string, …>
      const size_t at = low.find("values=");
      const size_t end = low.find_first_of(",>", at == low.npos ? 0 : at);
      if (at == low.npos || end == low.npos) return std::nullopt;
      return physical_family(std::string_view(low).substr(at + 7, end - at - 7));
    }
    return "timestamp";
  }
  if (word == "double precision") return "double";
  for (const FamilyRow& row : kFamilies) {
    const auto names = split(row.names, ' ');
    if (std::ranges::find(names, word) != names.end()) return std::string(row.family);
  }
  return std::nullopt;
}

std::optional<bool> same_physical(std::string_view wanted, std::string_view found) {
  const auto a = physical_family(wanted);
  const auto b = physical_family(found);
  if (!a || !b) return std::nullopt;
  return *a == *b;
}

std::optional<int64_t> moment_before(int64_t now_us, double value, std::string_view unit,
                                     bool retention) {
  const std::string word = lower(trim(unit));
  const auto is = [&](std::string_view names) {
    const auto list = split(names, ' ');
    return std::ranges::find(list, word) != list.end();
  };
  double us = 0;
  if (is("ms milliseconds")) us = 1e3;
  if (is("s sec second seconds")) us = 1e6;
  if (is("min minute minutes") || (word == "m" && !retention)) us = 60e6;
  if (is("h hr hour hours")) us = 3600e6;
  if (is("d day days") || word.empty()) us = 86400e6;
  if (is("w week weeks")) us = 7 * 86400e6;
  if (!std::isfinite(value) || value < 0) return std::nullopt;
  if (us > 0) {
    if (value * us > 9e18) return std::nullopt;
    int64_t out = 0;
    if (__builtin_sub_overflow(now_us, std::llround(value * us), &out)) return std::nullopt;
    return out;
  }
  const bool years = is("y yr year years");
  const bool months = is("mo mon month months") || (word == "m" && retention);
  if ((!years && !months) || value != std::floor(value) || value > 100'000 ||
      !expr::in_range(now_us))
    return std::nullopt;
  const int64_t days = expr::floor_div(now_us, expr::kDayUs);
  const expr::Civil now = expr::civil_from_days(days);
  const int64_t at = now.year * 12 + now.month - 1 - static_cast<int64_t>(value) * (years ? 12 : 1);
  if (at < 0) return expr::kStampMinUs;
  const int month = static_cast<int>(at % 12) + 1;
  const int day = std::min(now.day, expr::days_in_month(at / 12, month));
  return expr::days_from_civil({at / 12, month, day}) * expr::kDayUs +
         (now_us - days * expr::kDayUs);
}

SlaKind sla_kind(std::string_view property) {
  const std::string word = lower(property);
  if (word == "freshness" || word == "latency" || word == "ly") return SlaKind::kFreshness;
  if (word == "retention" || word == "re") return SlaKind::kRetention;
  return SlaKind::kOther;
}

std::optional<double> sla_number(const codec::Json& value) {
  if (value.is_number()) return value.as_double();
  if (value.is_string()) return parse_double(value.as_string());
  return std::nullopt;
}

}  // namespace slip::contract
