#pragma once

#include <memory>
#include <string>
#include <vector>

#include "contract/rule.h"

// Values inside of values: a property's tree below it, compiled for each kind that may stand there.
// Immutable; any thread.
namespace slip::contract {

struct NestedPlan {
  struct Member {
    std::string name;  // Empty: items.
    bool required = false;
    std::vector<RuleSet> by_kind;  // Indexed by Cell::Kind; empty for a kind that is refused.
  };
  std::vector<Member> members;
  Member item;
  bool has_item = false;
};
std::shared_ptr<const NestedPlan> compile_nested(const Property& property);
// The first thing that is wrong with it: "a.b[3]: below 0"; empty: nothing.
std::string nested_fault(const NestedPlan& plan, const codec::Json& value);

}  // namespace slip::contract
