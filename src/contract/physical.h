#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "contract/contract.h"

// physicalType against the type that a file names: SQL's and Arrow's names of one thing are one.
// Also lengths of time as SLAs write them. Pure.
namespace slip::contract {

// "INTEGER" → "int32", "VARCHAR(20)" → "string"; nothing for names that aren't known.
std::optional<std::string> physical_family(std::string_view type);
// True, false, or nothing when a name isn't known.
std::optional<bool> same_physical(std::string_view wanted, std::string_view found);

// The moment that lies `value` `unit`s before `now`; months and years by the calendar. "m" is
// months for retention and minutes otherwise.
std::optional<int64_t> moment_before(int64_t now_us, double value, std::string_view unit,
                                     bool retention);

enum class SlaKind : uint8_t { kFreshness, kRetention, kOther };
SlaKind sla_kind(std::string_view property);  // Latency counts as freshness.
std::optional<double> sla_number(const codec::Json& value);

}  // namespace slip::contract
