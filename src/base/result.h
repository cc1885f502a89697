#pragma once

#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

#include "base/check.h"
#include "base/error.h"

// Result<T>: either a T or an Error, never both, never neither. Status: done, or an Error.
namespace slip {

template <class T>
class [[nodiscard]] Result {
 public:
  using Value = T;

  Result(T value) : v_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : v_(std::in_place_index<1>, std::move(error)) {}
  // A derived pointer, a string literal, …: whatever T can be made from without narrowing.
  template <class U>
    requires(std::is_convertible_v<U &&, T> && !std::is_same_v<std::decay_t<U>, T> &&
             !std::is_same_v<std::decay_t<U>, Error> && !std::is_same_v<std::decay_t<U>, Result<T>>)
  Result(U&& value) : v_(std::in_place_index<0>, std::forward<U>(value)) {}

  bool ok() const { return v_.index() == 0; }
  explicit operator bool() const { return ok(); }

  T& value() & {
    CHECK(ok());
    return *std::get_if<0>(&v_);
  }
  const T& value() const& {
    CHECK(ok());
    return *std::get_if<0>(&v_);
  }
  // By value: `for (x : f().value())` must not dangle (C++20 range-for keeps only the range).
  T value() && {
    CHECK(ok());
    return std::move(*std::get_if<0>(&v_));
  }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }

  const Error& error() const& {
    CHECK(!ok());
    return *std::get_if<1>(&v_);
  }
  Error error() && {
    CHECK(!ok());
    return std::move(*std::get_if<1>(&v_));
  }

 private:
  std::variant<T, Error> v_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  using Value = void;

  Result() = default;
  Result(Error error) : e_(std::move(error)) {}

  bool ok() const { return !e_; }
  explicit operator bool() const { return ok(); }
  void value() const { CHECK(ok()); }
  const Error& error() const& {
    CHECK(!ok());
    return *e_;
  }
  Error error() && {
    CHECK(!ok());
    return std::move(*e_);
  }

 private:
  std::optional<Error> e_;
};

using Status = Result<void>;

// Deliberately drops an outcome; `why` is for the reader and for grep.
template <class T>
void ignore(const Result<T>&, const char* /*why*/) {}

}  // namespace slip

// Unwraps a Result, or returns its Error from the enclosing function.
// A GNU statement expression (GCC and Clang both have it), so it nests inside calls:
//   auto model = TRY(store.find(TRY(parse_name(raw))));
// Never in a coroutine: GCC 12 crashes on co_await inside a statement expression.
#define TRY(...) TRY_NAMED_(TRY_JOIN_(try_, __COUNTER__), __VA_ARGS__)
#define TRY_JOIN_(a, b) TRY_JOIN2_(a, b)
#define TRY_JOIN2_(a, b) a##b
#define TRY_NAMED_(r, ...)                           \
  __extension__({                                    \
    auto&& r = (__VA_ARGS__);                        \
    if (!r.ok()) [[unlikely]]                        \
      return ::std::forward<decltype(r)>(r).error(); \
    ::std::forward<decltype(r)>(r).value();          \
  })
