#include "contract/suite.h"

#include <algorithm>

#include "contract/infer.h"

namespace slip::contract {

using codec::Json;

void Suite::open_object(std::string name) {
  objects_.emplace_back();
  objects_.back().value = Json::object({{"name", std::move(name)}, {"logicalType", "object"}});
}

Json& Suite::property(const std::string& name) {
  std::vector<Property>& list = objects_.back().properties;
  auto at = std::ranges::find(list, name, &Property::name);
  if (at == list.end()) {
    list.push_back({name, Json::object({{"name", name}})});
    at = list.end() - 1;
  }
  return at->value;
}

void Suite::set(const std::string& property_of, std::string_view key, Json value) {
  owner(property_of).set(key, std::move(value));
}

void Suite::option(const std::string& property_of, std::string_view key, Json value) {
  Json& of = property(property_of);
  Json options = member(of, "logicalTypeOptions");
  if (options.is_null()) options = Json::object();
  options.set(key, std::move(value));
  of.set("logicalTypeOptions", std::move(options));
}

void Suite::check(const std::string& property_of, Json quality) {
  Json& of = owner(property_of);
  Json list = member(of, "quality");
  if (list.is_null()) list = Json::array();
  list.push(std::move(quality));
  of.set("quality", std::move(list));
}

void Suite::custom(const std::string& property_of, std::string_view name, Json value) {
  Json& of = owner(property_of);
  Json list = member(of, "customProperties");
  if (list.is_null()) list = Json::array();
  list.push(Json::object({{"property", name}, {"value", std::move(value)}}));
  of.set("customProperties", std::move(list));
}

void Suite::left(std::string where, std::string_view what, std::string_view why) {
  left_.push_back({std::move(where), std::string(what), std::string(why)});
}

bool Suite::knows(std::string_view object, std::string_view property_of) const {
  return std::ranges::any_of(objects_, [&](const Object& o) {
    return member(o.value, "name") == Json(object) &&
           std::ranges::count(o.properties, property_of, &Property::name) > 0;
  });
}

void Suite::relate(std::string_view object, std::string_view property_of, std::string to) {
  for (Object& o : objects_) {
    if (member(o.value, "name") != Json(object)) continue;
    for (Property& p : o.properties) {
      if (p.name != property_of) continue;
      Json list = member(p.value, "relationships");
      if (list.is_null()) list = Json::array();
      list.push(Json::object({{"to", to}}));
      p.value.set("relationships", std::move(list));
    }
  }
}

Imported Suite::finish() {
  Imported out;
  std::vector<Json> objects;
  for (Object& o : objects_) {
    std::vector<Json> properties;
    for (Property& p : o.properties) properties.push_back(std::move(p.value));
    if (!properties.empty()) o.value.set("properties", Json::array(std::move(properties)));
    objects.push_back(std::move(o.value));
  }
  out.document = new_document(id_, std::move(objects));
  out.rules = rules_;
  out.left = std::move(left_);
  return out;
}

Json metric_check(std::string_view metric, Json arguments, std::string_view op, Json value,
                  bool percent) {
  Json out = Json::object({{"metric", metric}});
  if (arguments.is_object()) out.set("arguments", std::move(arguments));
  out.set(op, std::move(value));
  if (percent) out.set("unit", "percent");
  return out;
}

Json engine_check(std::string_view engine, std::string_view name, Json implementation) {
  return Json::object({{"name", name},
                       {"type", "custom"},
                       {"engine", engine},
                       {"implementation", std::move(implementation)}});
}

const Json& member(const Json& object, std::string_view key) {
  static const Json kNull;
  const Json* v = object.find(key);
  return v != nullptr ? *v : kNull;
}

bool is_scalar_list(const Json& value) {
  return value.is_array() && !value.items().empty() &&
         std::ranges::none_of(value.items(),
                              [](const Json& v) { return v.is_array() || v.is_object(); });
}

}  // namespace slip::contract
