#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "codec/json.h"
#include "registry/types.h"
#include "tracking/types.h"
#include "wire/mlflow/proto_in.h"

// Our records as MLflow's messages: what is unset is left out, int64 are numbers, enums are names.
namespace slip::wire::mlflow {

codec::Json message_of(const tracking::Experiment& experiment, std::string_view workspace);
codec::Json message_of(const tracking::Run& run);
// As it is printed when it begins: nothing can have come out of it yet.
codec::Json message_of_new(const tracking::Run& run);
codec::Json run_info(const tracking::Run& run);
codec::Json message_of(const tracking::Metric& metric);
codec::Json message_of(const tracking::LoggedModel& model);
codec::Json message_of(const registry::Version& version);
codec::Json message_of(const registry::Model& model, const std::vector<registry::Version>& latest);

// Clients know no infinity in a metric: MLflow's own store clamps.
double clamped(double value);

// Lists that proto would leave out when empty.
void set_list(codec::Json* object, std::string_view name, std::vector<codec::Json> items);
void set_token(codec::Json* object, const std::string& token);

// A page of a list: each item as `message` prints it, and the token of the next page.
template <class Page, class Message>
codec::Json page_of(std::string_view name, const Page& page, Message message) {
  std::vector<codec::Json> items;
  for (const auto& item : page.items) items.push_back(message(item));
  codec::Json out = codec::Json::object();
  set_list(&out, name, std::move(items));
  set_token(&out, page.next_page_token);
  return out;
}

template <class T>
codec::Json tag_list(const std::vector<T>& tags) {
  codec::Json out = codec::Json::array();
  for (const T& tag : tags) out.push(codec::Json::object({{"key", tag.key}, {"value", tag.value}}));
  return out;
}

// A JSON list kept in a tag, with one more item; what is no list starts a new one.
std::string appended(const std::optional<std::string>& list, const codec::Json& item);

// {"key": …, "value": …} of a request; a value may be empty, a key may not.
template <class T>
Result<T> read_tag(const In& in) {
  T tag;
  tag.key = TRY(in.text("key"));
  tag.value = TRY(in.text_or("value", ""));
  return tag;
}
Result<std::vector<tracking::Tag>> read_tags(const In& in, std::string_view name);
// "version" of a request: a text that is a whole number.
Result<int64_t> version_number(const In& in);
Result<tracking::Metric> read_metric(const In& in);
const In::EnumNames& view_types();

}  // namespace slip::wire::mlflow
