#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "codec/json.h"
#include "contract/contract.h"

// What a new version of a contract does to those who read the data and to those who write it.
// Things are the same when their ids are, so that a rename is one; without ids, when their names
// are. Pure.
//
// BACKWARD: what was written under the old contract must do under the new one (the producer's
// side). FORWARD: who reads by the old contract must cope with data of the new one (the consumer's
// side). FULL: both. _TRANSITIVE: against every earlier version, not the last alone.
namespace slip::contract {

enum class Impact : uint8_t { kNone, kWarn, kGate, kBreak };  // By weight.
std::string_view impact_name(Impact impact);                  // "ok", "warn", "approval", "break"

struct Mode {
  bool backward = true;
  bool forward = true;
  bool transitive = false;
  std::string text() const;
};
Result<Mode> parse_mode(std::string_view text);  // kInvalid `contract.mode`.

// Who reads a property; whoever knows (a registry of models and features) fills this in.
class Readers {
 public:
  virtual ~Readers() = default;
  // Names of models, features, … that read it; by names of the old version.
  virtual std::vector<std::string> of(const Object& object, const Property* property) const = 0;
};

struct Change {
  std::string rule;  // A row of the table: "required_added", "enum_widened", …
  std::string object;
  std::string property;  // Empty: the object, or the contract.
  Impact consumer = Impact::kNone;
  Impact producer = Impact::kNone;
  bool semantic = false;  // The same columns mean another thing: a new version beside the old.
  bool parity = false;    // Served values change in their bits: check again.
  std::string text;
  std::vector<std::string> readers;  // Of what is affected, when they are known.
  bool readers_known = false;
  std::string from;  // The version that it is compared with.
};

struct Diff {
  Mode mode;
  std::vector<Change> changes;

  Impact impact(const Change& change) const;  // In this mode.
  Impact worst() const;
  bool breaking() const { return worst() >= Impact::kGate; }
  std::string_view bump() const;  // What the version must grow by: "major", "minor", "none".
};

std::vector<Change> changes_between(const Contract& before, const Contract& after,
                                    const Readers* readers = nullptr);
// `before` from the oldest on, not empty.
Diff diff_contracts(std::span<const Contract> before, const Contract& after, const Mode& mode,
                    const Readers* readers = nullptr);
codec::Json to_json(const Diff& diff);
std::string to_text(const Diff& diff);

// Of one property's limits, checks and customs; `out` gets rows without names.
void compare_limits(const Property& before, const Property& after, std::vector<Change>* out);
void compare_quality(const std::vector<Quality>& before, const std::vector<Quality>& after,
                     std::vector<Change>* out);
void compare_semantics(const std::vector<Custom>& before, const std::vector<Custom>& after,
                       std::vector<Change>* out);

}  // namespace slip::contract
