#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/text.h"
#include "features/definition.h"

// How documents are read: each reader takes the members it knows, and what is left over is refused
// by name. Values; one thread.
namespace slip::features {

inline Error bad(std::string_view path, std::string_view what) {
  return invalid("feature.field", concat({path, ": ", what}));
}

// The members of one object, ticked off as they are read.
class Members {
 public:
  Members(const codec::Json& object, std::string path) : object_(object), path_(std::move(path)) {}

  const codec::Json* take(std::string_view key) {
    seen_.emplace(key);
    const codec::Json* found = object_.find(key);
    return found == nullptr || found->is_null() ? nullptr : found;
  }
  std::string at(std::string_view key) const {
    return path_.empty() ? std::string(key) : concat({path_, ".", key});
  }
  Result<std::string> text(std::string_view key, std::string_view fallback = "") {
    const codec::Json* v = take(key);
    if (v == nullptr) return std::string(fallback);
    if (v->is_string()) return v->as_string();
    if (v->is_int()) return std::to_string(v->as_int());
    return bad(at(key), "text is wanted");
  }
  Result<int64_t> number(std::string_view key, int64_t fallback) {
    const codec::Json* v = take(key);
    if (v == nullptr) return fallback;
    if (!v->is_int()) return bad(at(key), "a whole number is wanted");
    return v->as_int();
  }
  Result<double> real(std::string_view key, double fallback) {
    const codec::Json* v = take(key);
    if (v == nullptr) return fallback;
    if (!v->is_number()) return bad(at(key), "a number is wanted");
    return v->as_double();
  }
  Result<bool> flag(std::string_view key, bool fallback) {
    const codec::Json* v = take(key);
    if (v == nullptr) return fallback;
    if (!v->is_bool()) return bad(at(key), "true or false is wanted");
    return v->as_bool();
  }
  Result<const codec::Json*> object(std::string_view key) {
    const codec::Json* v = take(key);
    if (v != nullptr && !v->is_object()) return bad(at(key), "names with values are wanted");
    return v;
  }
  Result<const codec::Json*> list(std::string_view key) {
    const codec::Json* v = take(key);
    if (v != nullptr && !v->is_array()) return bad(at(key), "a list is wanted");
    return v;
  }
  Status end() const {
    for (const auto& [key, value] : object_.members())
      if (!seen_.contains(key)) return bad(at(key), "no such member here");
    return {};
  }

 private:
  const codec::Json& object_;
  std::string path_;
  std::set<std::string, std::less<>> seen_;
};

// {name: type}; null: none.
Result<std::vector<FeatureField>> fields_of(const codec::Json* object, std::string_view path);
Result<std::vector<std::string>> names_of(const codec::Json* list, std::string_view path);
// A source's columns and times, which may stand in a view too; and a document of kind Source.
Result<Source> source_of(Members& m);
Status source_document(Members& m, Source* out);

}  // namespace slip::features
