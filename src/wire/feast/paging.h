#pragma once

#include <string>
#include <vector>

namespace google::protobuf {
class Message;
}
namespace feast::registry {
class PaginationMetadata;
class PaginationParams;
class SortingParams;
}  // namespace feast::registry

// Lists of Feast's registry: by tags, in an order, a page of them. Pure; any thread.
namespace slip::wire::feast {

using Items = std::vector<const google::protobuf::Message*>;

// Sorts by a member's path ("name", "created_timestamp", "tags.team"; members that an object lacks
// come first, text without regard to case), then leaves the page that is asked for. Without a page
// and a limit everything stays.
void page(const ::feast::registry::PaginationParams& pagination,
          const ::feast::registry::SortingParams& sorting, Items* items,
          ::feast::registry::PaginationMetadata* out);

template <class Tags>
bool has_tags(const Tags& has, const Tags& wanted) {
  for (const auto& [key, value] : wanted) {
    const auto found = has.find(key);
    if (found == has.end() || found->second != value) return false;
  }
  return true;
}

template <class Object>
const auto& tags_of(const Object& object) {
  if constexpr (requires { object.spec(); }) {
    return object.spec().tags();
  } else {
    return object.tags();
  }
}
template <class Object>
const std::string& name_of(const Object& object) {
  if constexpr (requires { object.spec(); }) {
    return object.spec().name();
  } else {
    return object.name();
  }
}

template <class Objects, class Tags>
Items tagged(const Objects& objects, const Tags& wanted) {
  Items out;
  for (const auto& one : objects)
    if (has_tags(tags_of(one), wanted)) out.push_back(&one);
  return out;
}

template <class Objects>
auto find_named(const Objects& objects, const std::string& name) -> decltype(&*objects.begin()) {
  for (const auto& one : objects)
    if (name_of(one) == name) return &one;
  return nullptr;
}

// A page of the objects that have the tags. `add` takes each one as it is.
template <class Object, class Objects, class In, class Out, class Add>
void list_page(const Objects& objects, const In& in, Out* out, Add&& add) {
  Items items = tagged(objects, in.tags());
  page(in.pagination(), in.sorting(), &items, out->mutable_pagination());
  for (const google::protobuf::Message* one : items) add(static_cast<const Object&>(*one));
}

}  // namespace slip::wire::feast
