#include "wire/native/run_query.h"

#include <optional>

#include "base/text.h"
#include "wire/native/native.h"

namespace slip::wire::native {

using codec::Json;

Result<std::vector<std::string>> texts(const Json& body, std::string_view key) {
  std::vector<std::string> out;
  const Json* items = body.find(key);
  if (items == nullptr) return out;
  if (!items->is_array()) return invalid("request.wrong_type", concat({key, " must be a list"}));
  for (const Json& item : items->items()) {
    if (!item.is_string())
      return invalid("request.wrong_type", concat({key, " must be a list of strings"}));
    out.push_back(item.as_string());
  }
  return out;
}

namespace {

constexpr size_t kExperimentsMax = 1'000;

Result<std::vector<int64_t>> experiment_ids(const Json& body) {
  std::vector<int64_t> out;
  for (const std::string& text : TRY(texts(body, "experiment_ids"))) {
    const std::optional<int64_t> id = parse_int(text);
    if (!id) return invalid("request.wrong_type", concat({"'", text, "' is no experiment's id"}));
    out.push_back(*id);
  }
  if (out.size() > kExperimentsMax)
    return invalid("request.limit",
                   concat({"at most ", std::to_string(kExperimentsMax), " experiments at once"}));
  return out;
}

// One group of runs, one run's children, or the tops of trees: all of them narrow the search.
Status read_scope(const Json& body, tracking::RunQuery* query) {
  if (const Json* group = body.find("group")) {
    if (!group->is_object()) return invalid("request.wrong_type", "group must be an object");
    query->group_by = TRY(codec::want_string(*group, "by"));
    query->group = TRY(codec::want_string(*group, "id"));
  }
  query->parent_id = TRY(codec::string_or(body, "parent_id", ""));
  query->roots = query->parent_id.empty() && TRY(codec::bool_or(body, "nested", false));
  return {};
}

}  // namespace

Result<tracking::RunQuery> run_query(const Json& body) {
  tracking::RunQuery query;
  query.experiment_ids = TRY(experiment_ids(body));
  query.filter = TRY(codec::string_or(body, "filter", ""));
  query.order_by = TRY(texts(body, "order_by"));
  query.max_results = TRY(codec::int_or(body, "limit", kPageDefault));
  query.page_token = TRY(codec::string_or(body, "page_token", ""));
  TRY(read_scope(body, &query));
  return query;
}

}  // namespace slip::wire::native
