#include "wire/feast/paging.h"

#include <algorithm>
#include <tuple>

#include <feast/registry.pb.h>

#include "base/text.h"

namespace slip::wire::feast {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// Absent members first, then texts and numbers.
using Key = std::tuple<std::string, int, double>;

Key key_of_text(std::string_view text) { return {lower(text), 1, 0}; }

std::string time_key(const Message& time) {
  const auto& reflection = *time.GetReflection();
  const auto& type = *time.GetDescriptor();
  const int64_t seconds = reflection.GetInt64(time, type.FindFieldByName("seconds"));
  const int32_t nanos = reflection.GetInt32(time, type.FindFieldByName("nanos"));
  std::string digits = std::to_string(std::max<int64_t>(seconds, 0));
  std::string rest = std::to_string(std::max(nanos, 0));
  return concat({std::string(20 - std::min<size_t>(20, digits.size()), '0'), digits,
                 std::string(9 - std::min<size_t>(9, rest.size()), '0'), rest});
}

Key key_of_value(const Message& of, const FieldDescriptor& field) {
  const auto& reflection = *of.GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      return key_of_text(reflection.GetString(of, &field));
    case FieldDescriptor::CPPTYPE_INT32:
      return {"", 1, static_cast<double>(reflection.GetInt32(of, &field))};
    case FieldDescriptor::CPPTYPE_INT64:
      return {"", 1, static_cast<double>(reflection.GetInt64(of, &field))};
    case FieldDescriptor::CPPTYPE_BOOL:
      return {"", 1, reflection.GetBool(of, &field) ? 1.0 : 0.0};
    case FieldDescriptor::CPPTYPE_ENUM:
      return key_of_text(reflection.GetEnum(of, &field)->name());
    case FieldDescriptor::CPPTYPE_MESSAGE:
      if (field.message_type()->full_name() == "google.protobuf.Timestamp" &&
          reflection.HasField(of, &field))
        return {time_key(reflection.GetMessage(of, &field)), 1, 0};
      break;
    default:
      break;
  }
  return {"", 0, 0};
}

Key key_of_tag(const Message& of, const FieldDescriptor& field, std::string_view tag) {
  const auto& reflection = *of.GetReflection();
  for (int i = 0; i < reflection.FieldSize(of, &field); ++i) {
    const Message& entry = reflection.GetRepeatedMessage(of, &field, i);
    const auto& type = *entry.GetDescriptor();
    if (entry.GetReflection()->GetString(entry, type.map_key()) == tag)
      return key_of_text(entry.GetReflection()->GetString(entry, type.map_value()));
  }
  return {"", 0, 0};
}

// What is asked for as `name` is the object's own, or its spec's, or its meta's.
Key key_of(const Message& object, const std::string& path) {
  const size_t dot = path.find('.');
  const std::string head = path.substr(0, dot);
  const auto& reflection = *object.GetReflection();
  const auto& type = *object.GetDescriptor();
  if (const FieldDescriptor* own = type.FindFieldByName(head)) {
    if (own->is_map() && dot != std::string::npos)
      return key_of_tag(object, *own, std::string_view(path).substr(dot + 1));
    if (!own->is_repeated() && own->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE &&
        dot != std::string::npos)
      return key_of(reflection.GetMessage(object, own), path.substr(dot + 1));
    if (!own->is_repeated()) return key_of_value(object, *own);
  }
  for (const FieldDescriptor* part : {type.FindFieldByName("spec"), type.FindFieldByName("meta")}) {
    if (part == nullptr || part->is_repeated() ||
        part->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE)
      continue;
    const Key found = key_of(reflection.GetMessage(object, part), path);
    if (std::get<1>(found) != 0) return found;
  }
  return {"", 0, 0};
}

void sort_by(const std::string& path, bool falling, Items* items) {
  std::vector<std::pair<Key, const Message*>> keyed;
  keyed.reserve(items->size());
  for (const Message* one : *items) keyed.emplace_back(key_of(*one, path), one);
  std::stable_sort(keyed.begin(), keyed.end(), [&](const auto& a, const auto& b) {
    return falling ? b.first < a.first : a.first < b.first;
  });
  std::transform(keyed.begin(), keyed.end(), items->begin(),
                 [](const auto& one) { return one.second; });
}

}  // namespace

void page(const ::feast::registry::PaginationParams& pagination,
          const ::feast::registry::SortingParams& sorting, Items* items,
          ::feast::registry::PaginationMetadata* out) {
  if (items->empty()) return;
  const std::string path(trim(sorting.sort_by()));
  if (!path.empty()) sort_by(path, lower(sorting.sort_order()) == "desc", items);
  const auto total = static_cast<int64_t>(items->size());
  out->set_total_count(static_cast<int32_t>(total));
  out->set_total_pages(1);
  if (pagination.page() <= 0 || pagination.limit() <= 0) return;
  const int64_t limit = pagination.limit();
  const int64_t pages = (total + limit - 1) / limit;
  const int64_t first = std::min(total, (pagination.page() - 1) * limit);
  out->set_page(pagination.page());
  out->set_limit(pagination.limit());
  out->set_total_pages(static_cast<int32_t>(pages));
  out->set_has_next(pagination.page() < pages);
  out->set_has_previous(pagination.page() > 1);
  items->erase(items->begin(), items->begin() + first);
  items->resize(std::min<size_t>(items->size(), static_cast<size_t>(limit)));
}

}  // namespace slip::wire::feast
