#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "contract/contract.h"
#include "contract/rule.h"

// One record against an object of a contract: what a push is checked by before it is written. The
// same rules as the batch check, but those that need other rows (unique, percent, counts). What
// becomes of a record that breaks one is the contract's to say (slipway.onViolation of a check, its
// property or the object): warn, null_out (the value becomes null, unless it must not be),
// quarantine, or reject; the strongest wins. Immutable; any thread.
namespace slip::contract {

struct Violation {
  size_t property = 0;  // Index into RecordChecker::properties().
  std::string_view check;
  OnViolation action = OnViolation::kReject;
  std::string reason;
};
struct RecordVerdict {
  bool clean = true;
  OnViolation action = OnViolation::kWarn;  // Of a record that isn't clean.
  std::vector<Violation> violations;
  std::vector<size_t> nulled;  // Properties whose values are to be null.
};

class RecordChecker {
 public:
  // kInvalid `contract.not_inline` when a rule can't be put to single records (a pattern that isn't
  // read, a format that isn't known) and `strict`; else those are listed by unable().
  static Result<RecordChecker> make(const Object& object, bool strict = false);

  const std::vector<std::string>& properties() const { return names_; }
  const std::vector<std::string>& unable() const { return unable_; }

  // Cells in the order of properties(). A record that is clean allocates nothing.
  void check(std::span<const Cell> cells, RecordVerdict* out) const;
  // Members by name; what has no property follows slipway.unexpectedFields.
  RecordVerdict check_record(const codec::Json& record) const;

 private:
  struct Inline {
    RuleSet by_kind[kCellKinds];
    bool may_be_null = true;
    size_t kind_check = 0;
    std::string logical;
  };

  void violate(size_t property, size_t check, std::string why, RecordVerdict* out) const;

  std::vector<std::string> names_;
  std::vector<Check> checks_;
  std::vector<Inline> inlines_;
  std::vector<std::string> unable_;
  std::string unexpected_;
};

}  // namespace slip::contract
