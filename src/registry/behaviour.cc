#include "registry/behaviour.h"

#include <array>
#include <cmath>
#include <set>

#include "base/text.h"
#include "registry/types.h"

namespace slip::registry {
namespace {

using codec::Json;
using Kind = BehaviourTest::Kind;
using Expect = BehaviourTest::Expect;

constexpr std::array<std::string_view, 3> kKinds = {"invariance", "direction", "minimum"};

struct Direction {
  std::string_view name;
  Expect expect;
};
constexpr std::array<Direction, 4> kDirections = {{{"higher", Expect::kHigher},
                                                   {"lower", Expect::kLower},
                                                   {"not_higher", Expect::kNotHigher},
                                                   {"not_lower", Expect::kNotLower}}};

Result<Json> want_object(const Json& test, std::string_view key) {
  const Json* value = test.find(key);
  if (!value || !value->is_object() || value->members().empty())
    return invalid("behaviour.input", concat({key, " is an object of columns and values"}));
  return *value;
}

Status read_expect(const Json& in, BehaviourTest* test) {
  if (test->kind == Kind::kDirection) {
    const std::string wanted = TRY(codec::want_string(in, "expect"));
    for (const Direction& d : kDirections)
      if (d.name == wanted) {
        test->expect = d.expect;
        return {};
      }
    return invalid("behaviour.expect",
                   concat({"'", wanted, "' is not higher, lower, not_higher or not_lower"}));
  }
  if (test->kind == Kind::kInvariance) return {};
  int given = 0;
  const std::array<std::pair<std::string_view, Expect>, 3> keys = {
      {{"equals", Expect::kEquals}, {"at_least", Expect::kAtLeast}, {"at_most", Expect::kAtMost}}};
  for (const auto& [key, expect] : keys) {
    const Json* value = in.find(key);
    if (!value) continue;
    ++given;
    test->expect = expect;
    test->wanted = *value;
    if (expect != Expect::kEquals && !value->is_number())
      return invalid("behaviour.expect", concat({key, " is a number"}));
  }
  if (given == 1) return {};
  return invalid("behaviour.expect", "a minimum has one of equals, at_least, at_most");
}

Result<BehaviourTest> read_one(const Json& in) {
  if (!in.is_object()) return invalid("behaviour.tests", "a test is an object");
  BehaviourTest test;
  const std::string kind = TRY(codec::want_string(in, "kind"));
  bool known = false;
  for (size_t i = 0; i < kKinds.size(); ++i)
    if (kKinds[i] == kind) test.kind = static_cast<Kind>(i), known = true;
  if (!known)
    return invalid("behaviour.kind",
                   concat({"'", kind, "' is not invariance, direction or minimum"}));
  test.name = TRY(codec::want_string(in, "name"));
  if (test.name.empty() || test.name.size() > kTagKeyMax)
    return invalid("behaviour.tests", "a test has a name of 1 to 250 characters");
  test.input = TRY(want_object(in, "input"));
  if (test.kind != Kind::kMinimum) {
    test.changed = test.input;
    const Json change = TRY(want_object(in, "change"));
    for (const auto& [column, value] : change.members()) test.changed.set(column, value);
  }
  test.output = TRY(codec::string_or(in, "output", ""));
  test.index = TRY(codec::int_or(in, "index", -1));
  test.tolerance = TRY(codec::double_or(in, "tolerance", 0));
  if (!(test.tolerance >= 0 && std::isfinite(test.tolerance)))
    return invalid("behaviour.expect", "tolerance is not negative");
  TRY(read_expect(in, &test));
  return test;
}

// The value that the test looks at; null with a reason when the answer has none.
struct Seen {
  const Json* value = nullptr;
  std::string why;
};
Seen see(const BehaviourTest& test, const Json& answer) {
  const Json* at = &answer;
  if (answer.is_object()) {
    if (test.output.empty() && answer.members().size() != 1)
      return {nullptr, "the answer has several outputs: name one"};
    at = test.output.empty() ? &answer.members().front().second : answer.find(test.output);
    if (!at) return {nullptr, concat({"the answer has no output '", test.output, "'"})};
  }
  if (test.index >= 0) {
    if (!at->is_array() || static_cast<size_t>(test.index) >= at->items().size())
      return {nullptr, concat({"the output has no element ", std::to_string(test.index)})};
    return {&at->items()[static_cast<size_t>(test.index)], ""};
  }
  while (at->is_array() && at->items().size() == 1) at = &at->items().front();
  if (at->is_array() || at->is_object())
    return {nullptr, "the output is no single value: give an index"};
  return {at, ""};
}

bool same(const Json& a, const Json& b, double tolerance) {
  if (a.is_number() && b.is_number()) {
    const double x = a.as_double();
    const double y = b.as_double();
    return x == y || std::abs(x - y) <= tolerance;
  }
  return a == b;
}

// Both are numbers, unless equality is asked.
bool met(const BehaviourTest& test, const Json& got, const Json& against) {
  if (test.expect == Expect::kSame || test.expect == Expect::kEquals)
    return same(got, against, test.tolerance);
  if (!got.is_number() || !against.is_number()) return false;
  const double by = got.as_double() - against.as_double();
  switch (test.expect) {
    case Expect::kHigher:
      return by > test.tolerance;
    case Expect::kLower:
      return by < -test.tolerance;
    case Expect::kNotHigher:
    case Expect::kAtMost:
      return by <= test.tolerance;
    default:
      return by >= -test.tolerance;  // kNotLower, kAtLeast; false for NaN.
  }
}

}  // namespace

Result<std::vector<BehaviourTest>> read_behaviour(const Json& tests) {
  if (!tests.is_array() || tests.items().empty())
    return invalid("behaviour.tests", "tests is a list of at least one test");
  if (tests.items().size() > kBehaviourTestsMax)
    return invalid("behaviour.limit",
                   "at most " + std::to_string(kBehaviourTestsMax) + " tests in one list");
  std::vector<BehaviourTest> out;
  std::set<std::string> names;
  for (size_t i = 0; i < tests.items().size(); ++i) {
    Result<BehaviourTest> one = read_one(tests.items()[i]);
    if (!one.ok()) return std::move(one).error().within(concat({"test ", std::to_string(i + 1)}));
    if (!names.insert(one->name).second)
      return invalid("behaviour.tests", concat({"two tests are called '", one->name, "'"}));
    out.push_back(std::move(one).value());
  }
  return out;
}

std::vector<Json> behaviour_rows(const std::vector<BehaviourTest>& tests) {
  std::vector<Json> out;
  for (const BehaviourTest& test : tests) {
    out.push_back(test.input);
    if (test.kind != Kind::kMinimum) out.push_back(test.changed);
  }
  return out;
}

std::vector<BehaviourResult> judge_behaviour(const std::vector<BehaviourTest>& tests,
                                             const std::vector<Json>& answers) {
  std::vector<BehaviourResult> out;
  size_t next = 0;
  for (const BehaviourTest& test : tests) {
    BehaviourResult result{.name = test.name,
                           .kind = std::string(kKinds[static_cast<size_t>(test.kind)]),
                           .passed = false,
                           .detail = ""};
    const bool pair = test.kind != Kind::kMinimum;
    const size_t first = next;
    next += pair ? 2 : 1;
    if (next > answers.size()) {
      result.detail = "the model gave no answer";
      out.push_back(std::move(result));
      continue;
    }
    const Seen before = see(test, answers[first]);
    const Seen after = pair ? see(test, answers[first + 1]) : before;
    if (!before.value || !after.value) {
      result.detail = before.value ? after.why : before.why;
    } else {
      const Json& against = pair ? *before.value : test.wanted;
      result.passed = met(test, *after.value, against);
      result.detail =
          pair ? concat({codec::to_json(*before.value), " became ", codec::to_json(*after.value)})
               : concat({"got ", codec::to_json(*after.value), ", wanted ",
                         codec::to_json(test.wanted)});
    }
    out.push_back(std::move(result));
  }
  return out;
}

}  // namespace slip::registry
