#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "codec/json.h"
#include "contract/contract.h"

// ODCS 3.1 as tables: which keys a section has, of what kind, and which it needs. check_shape walks
// a document along them and notes what doesn't fit; reading it afterwards needs no more checks of
// kind. Pure.
namespace slip::contract {

enum class Section : uint8_t {
  kRoot,
  kDescription,
  kAuthority,
  kCustom,
  kServer,
  kRole,
  kSupport,
  kPrice,
  kTeam,
  kTeamMember,
  kSla,
  kObject,
  kProperty,
  kItem,
  kQuality,
  kRelation,
};

enum class Kind : uint8_t {
  kText,
  kNumber,
  kInt,
  kBool,
  kScalar,
  kAny,
  kTexts,    // A list of texts.
  kList,     // Of sections.
  kMap,      // A section.
  kAnyList,  // Of anything.
  kOpen,     // An object of any keys.
  kTeam,     // A section, or (before 3.1) a list of members.
  kRef,      // A text or a list of texts.
  kId,       // A text of letters, digits, - and _.
};

struct Key {
  std::string_view name;
  Kind kind = Kind::kText;
  Section section = Section::kRoot;
  bool required = false;
  std::string_view one_of = {};  // Words with blanks between; empty: any.
};

std::span<const Key> keys_of(Section section);

// Collects issues; `pointer` grows and shrinks with the walk.
class Notes {
 public:
  void add(std::string_view reason, std::string pointer, std::string text);
  const std::vector<Issue>& all() const { return all_; }
  std::vector<Issue>& all() { return all_; }
  bool empty() const { return all_.empty(); }

 private:
  std::vector<Issue> all_;
};

void check_shape(const codec::Json& value, Section section, const std::string& pointer,
                 Notes* notes);
std::string step(const std::string& pointer, std::string_view key);
std::string step(const std::string& pointer, size_t index);
// The section's keys that are nearest to a wrong one; "" when none is near.
std::string nearest_key(std::span<const Key> keys, std::string_view wrong);

}  // namespace slip::contract
