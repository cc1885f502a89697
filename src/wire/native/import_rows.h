#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "codec/json.h"
#include "wire/native/imports.h"
#include "wire/native/native.h"

// How rows of imports are read and answered. Pure.
namespace slip::wire::native {

using ImportHandler = Result<http::Reply> (*)(const ImportsApp&, const Ctx&, http::Request&);
http::Route import_route(const ImportsApp& app, std::string_view path, ImportHandler handler,
                         std::string_view summary);
void add_import_models(std::vector<http::Route>* out, const ImportsApp& app);

// Nothing when it is absent or no text.
std::optional<std::string> text_or_none(const codec::Json& item, std::string_view key);
// At most 1000 entries; kInvalid `request.wrong_type|request.too_many`.
Result<const std::vector<codec::Json>*> list_of(const codec::Json& body, std::string_view key);
// Of a list of objects that may be absent.
Result<std::vector<const codec::Json*>> objects_of(const codec::Json& item, std::string_view key);
// {"key": "value", …}
Result<std::vector<std::pair<std::string, std::string>>> read_texts(const codec::Json& item,
                                                                    std::string_view key);
// `state` counts as both modules' Imported does.
codec::Json outcome_json(size_t state, const std::string& differing);

template <class Tag>
Result<std::vector<Tag>> read_pairs(const codec::Json& item, std::string_view key) {
  std::vector<Tag> out;
  std::vector<std::pair<std::string, std::string>> texts = TRY(read_texts(item, key));
  for (auto& [name, value] : texts) out.push_back({std::move(name), std::move(value)});
  return out;
}

// All rows are read before the first is written.
template <class T, class Read, class Take>
Result<http::Reply> take_all(http::Request& request, const Read& read, const Take& take) {
  const codec::Json body = TRY(body_object(request));
  const bool update = TRY(codec::bool_or(body, "update", false));
  std::vector<T> wanted;
  for (const codec::Json& item : *TRY(list_of(body, "items"))) wanted.push_back(TRY(read(item)));
  codec::Json out = codec::Json::array();
  for (const T& row : wanted) out.push(TRY(take(row, update)));
  return json_reply(codec::Json::object({{"items", std::move(out)}}));
}

}  // namespace slip::wire::native
