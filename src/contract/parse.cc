#include <algorithm>
#include <map>
#include <set>

#include "base/text.h"
#include "codec/yaml.h"
#include "contract/contract.h"
#include "contract/read.h"
#include "contract/shape.h"

namespace slip::contract {
namespace {

using codec::Json;

const std::vector<Json>& list_of(const Json& object, std::string_view key) {
  static const std::vector<Json> kNone;
  const Json* v = object.find(key);
  return v != nullptr && v->is_array() ? v->items() : kNone;
}

bool flag_of(const Json& object, std::string_view key) {
  const Json* v = object.find(key);
  return v != nullptr && v->is_bool() && v->as_bool();
}

Logical parse_logical(std::string_view name) {
  for (int i = 1; i <= static_cast<int>(Logical::kBoolean); ++i)
    if (logical_name(static_cast<Logical>(i)) == name) return static_cast<Logical>(i);
  return Logical::kNone;
}

// A document whose shape was walked: what it means.
class Reader {
 public:
  explicit Reader(Notes* notes) : notes_(*notes) {}

  Contract read(const Json& document) {
    Contract out;
    out.api_version = text_of(document, "apiVersion");
    out.id = text_of(document, "id");
    out.name = text_of(document, "name");
    out.version = text_of(document, "version");
    out.status = text_of(document, "status");
    if (!out.api_version.starts_with("v3."))
      notes_.add("contract.version", "/apiVersion",
                 concat({"'", out.api_version, "' is not read; v3.1.0 and v3.0.x are"}));
    out.customs = read_customs(document, "", &notes_);
    const auto& objects = list_of(document, "schema");
    for (size_t i = 0; i < objects.size(); ++i)
      out.objects.push_back(object(objects[i], step("/schema", i)));
    unique_names(out.objects);
    for (Object& o : out.objects) resolve(out, &o);
    const auto& slas = list_of(document, "slaProperties");
    for (size_t i = 0; i < slas.size(); ++i)
      out.slas.push_back(sla(slas[i], step("/slaProperties", i)));
    out.document = document;
    return out;
  }

 private:
  template <class T>
  void unique_names(const std::vector<T>& list) {
    std::set<std::string_view> names;
    std::set<std::string_view> ids;
    for (const T& one : list) {
      if (!one.name.empty() && !names.insert(one.name).second)
        notes_.add("contract.duplicate", step(one.pointer, "name"),
                   concat({"'", one.name, "' stands here twice"}));
      if (!one.id.empty() && !ids.insert(one.id).second)
        notes_.add("contract.duplicate", step(one.pointer, "id"),
                   concat({"the id '", one.id, "' stands here twice"}));
    }
  }

  Object object(const Json& value, const std::string& pointer) {
    Object out;
    out.pointer = pointer;
    out.id = text_of(value, "id");
    out.name = text_of(value, "name");
    out.physical_name = text_of(value, "physicalName");
    out.description = text_of(value, "description");
    out.customs = read_customs(value, pointer, &notes_);
    out.properties = properties(value, pointer);
    out.quality = qualities(value, pointer, true);
    const auto& relations = list_of(value, "relationships");
    for (size_t i = 0; i < relations.size(); ++i)
      relation(relations[i], step(step(pointer, "relationships"), i), nullptr, &out);
    for (const Property& p : out.properties)
      for (const Relationship& r : p.relationships) out.relationships.push_back(r);
    for (const Quality& q : out.quality) known_properties(out, q);
    return out;
  }
  void known_properties(const Object& object, const Quality& q) {
    if (q.metric != Metric::kDuplicate || q.type != Quality::Type::kLibrary) return;
    for (const Json& name : list_of(q.arguments, "properties"))
      if (!name.is_string() || object.find(name.as_string()) == nullptr)
        notes_.add("contract.reference", step(q.pointer, "arguments"),
                   concat({"'", object.name, "' has no property ", codec::to_json(name)}));
  }

  std::vector<Property> properties(const Json& owner, const std::string& pointer) {
    std::vector<Property> out;
    const auto& list = list_of(owner, "properties");
    for (size_t i = 0; i < list.size(); ++i)
      out.push_back(property(list[i], step(step(pointer, "properties"), i)));
    unique_names(out);
    return out;
  }

  Property property(const Json& value, const std::string& pointer) {
    Property out;
    out.pointer = pointer;
    out.id = text_of(value, "id");
    out.name = text_of(value, "name");
    out.physical_name = text_of(value, "physicalName");
    out.physical_type = text_of(value, "physicalType");
    out.logical = parse_logical(text_of(value, "logicalType"));
    out.classification = text_of(value, "classification");
    out.required = flag_of(value, "required");
    out.unique = flag_of(value, "unique");
    out.primary_key = flag_of(value, "primaryKey");
    const Json* position = value.find("primaryKeyPosition");
    if (position != nullptr && position->is_int()) out.primary_key_position = position->as_int();
    if (const Json* options = value.find("logicalTypeOptions"))
      read_limits(*options, &out, &notes_);
    out.customs = read_customs(value, pointer, &notes_);
    out.quality = qualities(value, pointer, false);
    out.properties = properties(value, pointer);
    if (const Json* items = value.find("items"); items != nullptr && items->is_object())
      out.items.push_back(property(*items, step(pointer, "items")));
    const bool may_nest = out.logical == Logical::kNone;
    if (!out.properties.empty() && !may_nest && out.logical != Logical::kObject)
      notes_.add("contract.unknown_key", step(pointer, "properties"),
                 "only a property of logicalType object has properties");
    if (!out.items.empty() && !may_nest && out.logical != Logical::kArray)
      notes_.add("contract.unknown_key", step(pointer, "items"),
                 "only a property of logicalType array has items");
    const auto& relations = list_of(value, "relationships");
    for (size_t i = 0; i < relations.size(); ++i)
      relation(relations[i], step(step(pointer, "relationships"), i), &out, nullptr);
    return out;
  }

  std::vector<Quality> qualities(const Json& owner, const std::string& pointer, bool of_object) {
    std::vector<Quality> out;
    const auto& list = list_of(owner, "quality");
    for (size_t i = 0; i < list.size(); ++i)
      if (list[i].is_object())
        out.push_back(read_quality(list[i], step(step(pointer, "quality"), i), of_object, &notes_));
    return out;
  }

  // ---- references

  static std::vector<std::string> refs(const Json* value) {
    std::vector<std::string> out;
    if (value == nullptr) return out;
    if (value->is_string()) out.push_back(value->as_string());
    if (value->is_array())
      for (const Json& item : value->items())
        if (item.is_string()) out.push_back(item.as_string());
    return out;
  }

  void relation(const Json& value, const std::string& pointer, Property* property, Object* object) {
    if (!value.is_object()) return;
    Relationship out;
    out.pointer = pointer;
    out.from = refs(value.find("from"));
    out.to = refs(value.find("to"));
    out.written = join(out.to, ", ");
    if (property != nullptr) {
      if (!out.from.empty())
        return notes_.add("contract.unknown_key", step(pointer, "from"),
                          "the property itself is where the relationship starts");
      out.from = {property->name};
      property->relationships.push_back(std::move(out));
      return;
    }
    if (out.from.empty()) return notes_.add("contract.missing", pointer, "needs the key 'from'");
    if (out.from.size() != out.to.size())
      return notes_.add("contract.reference", step(pointer, "to"),
                        "'from' and 'to' name as many properties");
    object->relationships.push_back(std::move(out));
  }

  struct Target {
    const Object* object = nullptr;
    const Property* property = nullptr;
    bool elsewhere = false;
  };
  // "object.property", or "/schema/ID/properties/ID" (of another document behind a '#').
  static Target target(const Contract& contract, std::string_view ref) {
    Target out;
    if (ref.find('#') != ref.npos) {
      out.elsewhere = true;
      return out;
    }
    if (ref.find('/') == ref.npos) {
      const size_t dot = ref.find('.');
      if (dot == ref.npos) return out;
      out.object = contract.find(ref.substr(0, dot));
      if (out.object != nullptr) out.property = out.object->find(ref.substr(dot + 1));
      return out;
    }
    if (ref.starts_with('/')) ref.remove_prefix(1);
    const auto steps = split(ref, '/');
    if (steps.size() != 4 || steps[0] != "schema" || steps[2] != "properties") return out;
    const auto is = [](std::string_view wanted) {
      return [wanted](const auto& one) { return one.id == wanted || one.name == wanted; };
    };
    const auto object = std::ranges::find_if(contract.objects, is(steps[1]));
    if (object == contract.objects.end()) return out;
    out.object = &*object;
    const auto property = std::ranges::find_if(object->properties, is(steps[3]));
    if (property != object->properties.end()) out.property = &*property;
    return out;
  }

  void resolve(const Contract& contract, Object* object) {
    for (Relationship& r : object->relationships) {
      for (std::string& from : r.from) {
        if (from.find_first_of("./") == from.npos) continue;  // A property's own.
        const Target at = target(contract, from);
        if (at.property != nullptr && at.object == object)
          from = at.property->name;
        else
          notes_.add("contract.reference", step(r.pointer, "from"),
                     concat({"'", from, "' is no property of ", object->name}));
      }
      for (std::string& to : r.to) lead(contract, &r, &to);
    }
  }
  // A reference may lead elsewhere, as far as this document says: such a check is not evaluated.
  void lead(const Contract& contract, Relationship* r, std::string* to) {
    const Target at = target(contract, *to);
    if (at.elsewhere || at.property == nullptr) return void(r->elsewhere = true);
    if (!r->to_object.empty() && r->to_object != at.object->name)
      return notes_.add("contract.reference", step(r->pointer, "to"),
                        concat({"'", *to, "' is of another object than ", r->to_object}));
    r->to_object = at.object->name;
    *to = at.property->name;
  }

  static Sla sla(const Json& value, const std::string& pointer) {
    Sla out;
    out.pointer = pointer;
    out.id = text_of(value, "id");
    out.property = text_of(value, "property");
    out.unit = text_of(value, "unit");
    out.element = text_of(value, "element");
    if (const Json* v = value.find("value")) out.value = *v;
    if (const Json* v = value.find("valueExt")) out.value_ext = *v;
    return out;
  }

  Notes& notes_;
};

void find_lines(std::string_view text, std::vector<Issue>* issues) {
  std::vector<std::string> pointers;
  for (const Issue& issue : *issues) pointers.push_back(issue.pointer);
  const std::vector<codec::YamlPlace> places = codec::yaml_places(text, pointers);
  for (size_t i = 0; i < issues->size(); ++i) (*issues)[i].line = places[i].line;
  std::ranges::stable_sort(*issues, {}, &Issue::line);
}

}  // namespace

Result<Contract> parse_contract(std::string_view text, std::vector<Issue>* issues) {
  const Json document = TRY(codec::parse_yaml(text));
  Notes notes;
  check_shape(document, Section::kRoot, "", &notes);
  Contract out;
  const bool deep = std::ranges::count(notes.all(), "contract.depth", &Issue::reason) > 0;
  if (document.is_object() && !deep) out = Reader(&notes).read(document);
  if (notes.empty()) return out;
  find_lines(text, &notes.all());
  const Issue& first = notes.all().front();
  const size_t more = notes.all().size() - 1;
  Error error =
      invalid(first.reason,
              concat({"line ", std::to_string(first.line), ", ",
                      first.pointer.empty() ? "the document" : first.pointer, ": ", first.text,
                      more == 0 ? "" : concat({" (and ", std::to_string(more), " more)"})}));
  if (issues != nullptr) *issues = std::move(notes.all());
  return error;
}

}  // namespace slip::contract
