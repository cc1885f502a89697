#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "contract/import.h"

// An ODCS document as importers put it together: objects, their properties by name, checks. What
// can't be put is noted. One thread.
namespace slip::contract {

class Suite {
 public:
  explicit Suite(std::string id) : id_(std::move(id)) {}

  // Makes what isn't there yet; the pointers hold until the next call.
  void open_object(std::string name);
  codec::Json& property(const std::string& name);
  codec::Json& object() { return objects_.back().value; }

  void set(const std::string& property, std::string_view key, codec::Json value);
  void option(const std::string& property, std::string_view key, codec::Json value);
  // A check of a property; with an empty name of the object.
  void check(const std::string& property, codec::Json quality);
  void custom(const std::string& property, std::string_view name, codec::Json value);
  void left(std::string where, std::string_view what, std::string_view why);
  bool knows(std::string_view object, std::string_view property) const;
  // A relationship of a property, of any object so far, to "object.property".
  void relate(std::string_view object, std::string_view property, std::string to);
  // A rule was taken over.
  void took() { ++rules_; }

  Imported finish();

 private:
  struct Property {
    std::string name;
    codec::Json value;
  };
  struct Object {
    codec::Json value;
    std::vector<Property> properties;
  };
  codec::Json& owner(const std::string& property) {
    return property.empty() ? object() : this->property(property);
  }

  std::string id_;
  std::vector<Object> objects_;
  std::vector<Left> left_;
  int64_t rules_ = 0;
};

// {"metric": …, "arguments": …, OPERATOR: value, "unit": "percent"?}
codec::Json metric_check(std::string_view metric, codec::Json arguments, std::string_view op,
                         codec::Json value, bool percent = false);
// A check that another engine runs.
codec::Json engine_check(std::string_view engine, std::string_view name,
                         codec::Json implementation);
const codec::Json& member(const codec::Json& object, std::string_view key);  // Null if missing.
bool is_scalar_list(const codec::Json& value);

}  // namespace slip::contract
