#include <algorithm>
#include <cmath>

#include "engine/expr/kernel.h"

namespace slip::engine::expr {
namespace {

constexpr std::string_view kGroup = "Choice and null";

using Word = uint64_t;
struct Pair {
  uint64_t words[2];
};

template <class T>
void copy(const Call& c, int row, const Vec& from) {
  std::memcpy(c.write<T>() + row, from.read<T>() + row, sizeof(T));
}

void settle(const Call& c) {
  c.out->clean =
      std::all_of(c.out->state, c.out->state + c.n, [](uint8_t s) { return s == kValid; });
}

// when, value, when, value, …, else. A failed or taken `when` decides; what isn't chosen can't
// fail.
template <class T>
void cases(const Call& c) {
  for (int i = 0; i < c.n; ++i) {
    size_t at = 0;
    uint8_t state = kValid;
    while (at + 1 < c.n_args && state == kValid) {
      const Vec& when = *c.args[at];
      state = when.state_of(i);
      if (state == kNull)
        state = kValid;
      else if (state == kValid && when.read<bool>()[i])
        break;
      at += state == kValid ? 2 : 0;
    }
    const Vec& value = *c.args[std::min(at + 1 < c.n_args ? at + 1 : at, c.n_args - 1)];
    if (state == kValid) state = value.state_of(i);
    if (state == kValid) copy<T>(c, i, value);
    c.out->state[i] = state;
  }
  settle(c);
}

template <class T>
void coalesce(const Call& c) {
  for (int i = 0; i < c.n; ++i) {
    size_t at = 0;
    while (at + 1 < c.n_args && c.args[at]->state_of(i) == kNull) ++at;
    const uint8_t state = c.args[at]->state_of(i);
    if (state == kValid) copy<T>(c, i, *c.args[at]);
    c.out->state[i] = state;
  }
  settle(c);
}

template <class T>
void attempt(const Call& c) {
  const Vec& value = *c.args[0];
  for (int i = 0; i < c.n; ++i) {
    const uint8_t state = value.state_of(i);
    if (state == kValid) copy<T>(c, i, value);
    c.out->state[i] = state == kValid ? kValid : kNull;
  }
  settle(c);
}

void is_null(const Call& c) {
  for (int i = 0; i < c.n; ++i) {
    const uint8_t state = c.args[0]->state_of(i);
    c.write<bool>()[i] = state == kNull;
    c.out->state[i] = state > kNull ? state : uint8_t{kValid};
  }
  settle(c);
}

template <bool kWanted>
void is_truth(const Call& c) {
  for (int i = 0; i < c.n; ++i) {
    const uint8_t state = c.args[0]->state_of(i);
    c.write<bool>()[i] = state == kValid && c.args[0]->read<bool>()[i] == kWanted;
    c.out->state[i] = state > kNull ? state : uint8_t{kValid};
  }
  settle(c);
}

template <class T>
const auto& key(const T& v) {
  if constexpr (std::is_same_v<T, Stamp> || std::is_same_v<T, Interval>)
    return v.us;
  else if constexpr (std::is_same_v<T, Blob>)
    return v.bytes;
  else
    return v;
}

// a = b or a = c or …
template <class T>
void in(const Call& c) {
  for (int i = 0; i < c.n; ++i) {
    uint8_t state = c.args[0]->state_of(i);
    uint8_t others = kValid;
    bool found = false;
    for (size_t a = 1; a < c.n_args && state == kValid && !found; ++a) {
      const uint8_t s = c.args[a]->state_of(i);
      if (s == kValid)
        found = key(c.args[a]->read<T>()[i]) == key(c.args[0]->read<T>()[i]);
      else if (others <= kNull)
        others = std::max(others, s);
    }
    if (state == kValid && !found) state = others;
    c.write<bool>()[i] = found;
    c.out->state[i] = state;
  }
  settle(c);
}

template <class T>
void nullif(const Call& c) {
  for (int i = 0; i < c.n; ++i) {
    uint8_t state = c.args[0]->state_of(i);
    const uint8_t other = c.args[1]->state_of(i);
    if (state == kValid && other > kNull) state = other;
    if (state == kValid && other == kValid &&
        key(c.args[0]->read<T>()[i]) == key(c.args[1]->read<T>()[i]))
      state = kNull;
    c.write<T>()[i] = c.args[0]->read<T>()[i];
    c.out->state[i] = state;
  }
  settle(c);
}

template <class T>
bool unordered(const T& v) {
  if constexpr (std::is_same_v<T, double>) return std::isnan(v);
  return false;
}

// Nulls are passed over, a NaN wins, of equals the first stays.
template <class T, bool kLeast>
void extreme(const Call& c) {
  for (int i = 0; i < c.n; ++i) {
    uint8_t state = kNull;
    T best{};
    for (size_t a = 0; a < c.n_args && state <= kNull; ++a) {
      const uint8_t s = c.args[a]->state_of(i);
      if (s > kNull) state = s;
      if (s != kValid) continue;
      const T v = c.args[a]->read<T>()[i];
      const bool better = kLeast ? key(v) < key(best) : key(best) < key(v);
      if (state == kNull || (!unordered(best) && (unordered(v) || better))) best = v;
      state = kValid;
    }
    c.write<T>()[i] = best;
    c.out->state[i] = state;
  }
  settle(c);
}

Function loose(const About& about, std::vector<ValueType> params, ValueType result, Kernel kernel) {
  Function f;
  f.name = about.name;
  f.group = about.group;
  f.text = about.text;
  f.params = std::move(params);
  f.result = result;
  f.kernel = kernel;
  f.strict = false;
  return f;
}
Function many(Function f) {
  f.variadic = true;
  return f;
}

template <class T>
void add_of_any(std::vector<Function>* out, ValueType type) {
  out->push_back(many(loose({"case", kGroup, "case when c then v … else w end; also if(c, v, w)"},
                            {kBoolType, type}, type, cases<T>)));
  out->push_back(
      many(loose({"coalesce", kGroup, "the first that isn't null"}, {type}, type, coalesce<T>)));
  out->push_back(loose({"try", kGroup, "null where the argument fails"}, {type}, type, attempt<T>));
  out->push_back(loose({"is null", kGroup, "x is null; never null"}, {type}, kBoolType, is_null));
}

template <class T>
void add_of_comparable(std::vector<Function>* out) {
  const ValueType type = TypeOf<T>::value;
  out->push_back(
      many(loose({"in", kGroup, "x in (a, b, …); null if nothing is equal and one is null"},
                 {type, type}, kBoolType, in<T>)));
  out->push_back(loose({"nullif", kGroup, "null if both are equal, else the first"}, {type, type},
                       type, nullif<T>));
}

template <class T>
void add_of_ordered(std::vector<Function>* out) {
  const ValueType type = TypeOf<T>::value;
  out->push_back(many(loose({"least", kGroup, "nulls are passed over; NaN if one is NaN"}, {type},
                            type, extreme<T, true>)));
  out->push_back(many(loose({"greatest", kGroup, "nulls are passed over; NaN if one is NaN"},
                            {type}, type, extreme<T, false>)));
}

}  // namespace

void add_choices(std::vector<Function>* out) {
  add_of_any<bool>(out, kBoolType);
  add_of_any<Word>(out, kIntType);
  add_of_any<Word>(out, kDoubleType);
  add_of_any<Pair>(out, kTextType);
  add_of_any<Pair>(out, kBytesType);
  add_of_any<Word>(out, kTimestampType);
  add_of_any<Word>(out, kIntervalType);
  add_of_any<Pair>(out, list_of(Type::kInt64));
  add_of_any<Pair>(out, list_of(Type::kDouble));
  add_of_any<Pair>(out, list_of(Type::kText));
  add_of_comparable<bool>(out);
  add_of_comparable<int64_t>(out);
  add_of_comparable<double>(out);
  add_of_comparable<std::string_view>(out);
  add_of_comparable<Blob>(out);
  add_of_comparable<Stamp>(out);
  add_of_comparable<Interval>(out);
  add_of_ordered<int64_t>(out);
  add_of_ordered<double>(out);
  add_of_ordered<std::string_view>(out);
  add_of_ordered<Stamp>(out);
  add_of_ordered<Interval>(out);
  out->push_back(loose({"is true", kGroup, "never null"}, {kBoolType}, kBoolType, is_truth<true>));
  out->push_back(
      loose({"is false", kGroup, "never null"}, {kBoolType}, kBoolType, is_truth<false>));
  out->push_back(row<[](double x) { return x != x; }>({"is nan", kGroup, "null of null"}));
}

}  // namespace slip::engine::expr
