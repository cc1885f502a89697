#pragma once

#include <tuple>
#include <type_traits>
#include <utility>

#include "engine/expr/function.h"

// Kernels from plain functions of one row: row<[](double x) { return -x; }>("-", …) is a row of the
// table whose types are those of the function. A last parameter Row& lets it fail, allocate and see
// what was bound. One loop serves every batch size, so batch 1 and batch 1024 run the same code.
namespace slip::engine::expr {

struct Row {
  Arena& arena;
  const void* bound;
  uint8_t state = kValid;

  void fail(State why) { state = why; }
  template <class T>
  const T& as() const {
    return *static_cast<const T*>(bound);
  }
};

// A list whose items are T.
template <class T>
struct ListOf {
  ListView view;
  int64_t size() const { return view.end - view.begin; }
  bool is_null(int64_t i) const { return view.items->is_null(view.begin + i); }
  T at(int64_t i) const {
    if constexpr (std::is_same_v<T, double>)
      return view.items->f64(view.begin + i);
    else if constexpr (std::is_same_v<T, int64_t>)
      return view.items->i64(view.begin + i);
    else
      return view.items->text(view.begin + i);
  }
};

template <class T>
struct TypeOf;
template <>
struct TypeOf<bool> {
  static constexpr ValueType value = kBoolType;
};
template <>
struct TypeOf<int64_t> {
  static constexpr ValueType value = kIntType;
};
template <>
struct TypeOf<double> {
  static constexpr ValueType value = kDoubleType;
};
template <>
struct TypeOf<std::string_view> {
  static constexpr ValueType value = kTextType;
};
template <>
struct TypeOf<Blob> {
  static constexpr ValueType value = kBytesType;
};
template <>
struct TypeOf<Stamp> {
  static constexpr ValueType value = kTimestampType;
};
template <>
struct TypeOf<Interval> {
  static constexpr ValueType value = kIntervalType;
};
template <class T>
struct TypeOf<ListOf<T>> {
  static constexpr ValueType value = list_of(TypeOf<T>::value.type);
};

template <auto F, class R, class... A>
struct Kernels {
  // Computed for null rows, too, whatever lies there. Not so times: out of range they overflow.
  static constexpr bool kPlain = (std::is_arithmetic_v<A> && ...);

  template <size_t... I>
  static void plain(const Call& c, std::index_sequence<I...> indices) {
    if (kPlain || c.out->clean) return spread(c, indices);
    R* out = c.write<R>();
    for (int i = 0; i < c.n; ++i)
      out[i] = c.out->state[i] ? R{} : F(c.args[I]->template read<A>()[i]...);
  }
  // The pointers are read once: a store through `out` must not make the loop read them again.
  template <size_t... I>
  static void spread(const Call& c, std::index_sequence<I...>) {
    loop(c.write<R>(), c.n, c.args[I]->template read<A>()...);
  }
  static void loop(R* __restrict out, int n, const A* __restrict... in) {
    for (int i = 0; i < n; ++i) out[i] = F(in[i]...);
  }
  static void run(const Call& c) { plain(c, std::index_sequence_for<A...>{}); }
};

// Of functions with a Row&.
template <auto F, class R, class... A>
struct FallibleKernels {
  template <size_t... I>
  static void each(const Call& c, std::index_sequence<I...>) {
    R* out = c.write<R>();
    uint8_t* state = c.out->state;
    bool clean = true;
    Row row{*c.arena, c.bound};
    for (int i = 0; i < c.n; ++i) {
      row.state = c.out->clean ? uint8_t{kValid} : state[i];
      out[i] = row.state ? R{} : F(c.args[I]->template read<A>()[i]..., row);
      state[i] = row.state;
      clean = clean && !row.state;
    }
    c.out->clean = clean;
  }
  static void run(const Call& c) { each(c, std::index_sequence_for<A...>{}); }
};

struct About {
  std::string_view name;
  std::string_view group;
  std::string_view text;
};

template <class F>
struct Deduce;
template <class R, class... A>
struct Deduce<R (*)(A...)> {
  template <auto F>
  static Function function(const About& about) {
    return make<F>(about, std::index_sequence_for<A...>{});
  }

 private:
  template <size_t I>
  using Arg = std::tuple_element_t<I, std::tuple<A...>>;

  template <auto F, size_t... I>
  static Function make(const About& about, std::index_sequence<I...>) {
    constexpr size_t n = sizeof...(A);
    if constexpr ((std::is_same_v<A, Row&> || ...))
      return fallible<F>(about, std::make_index_sequence<n - 1>{});
    else
      return named(about, {TypeOf<A>::value...}, Kernels<F, R, A...>::run);
  }
  template <auto F, size_t... I>
  static Function fallible(const About& about, std::index_sequence<I...>) {
    return named(about, {TypeOf<Arg<I>>::value...}, FallibleKernels<F, R, Arg<I>...>::run);
  }
  static Function named(const About& about, std::vector<ValueType> params, Kernel kernel) {
    Function f;
    f.name = about.name;
    f.group = about.group;
    f.text = about.text;
    f.params = std::move(params);
    f.result = TypeOf<R>::value;
    f.kernel = kernel;
    return f;
  }
};

template <auto F>
Function row(const About& about) {
  return Deduce<decltype(+F)>::template function<F>(about);
}
// With parameter `at` a constant text that `binder` understands.
template <auto F>
Function row_bound(const About& about, int at, Binder binder) {
  Function f = row<F>(about);
  f.bound = at;
  f.binder = binder;
  return f;
}

}  // namespace slip::engine::expr
