#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/search/page.h"
#include "notify/types.h"
#include "store/db.h"

// SQL of webhooks and of their outbox. No policy.
namespace slip::notify::sql {

Status insert(store::Tx& tx, std::string_view project, const Webhook& webhook);
Status update(store::Tx& tx, std::string_view project, const Webhook& webhook);
Status remove(store::Tx& tx, std::string_view project, std::string_view uid);
Result<std::optional<Webhook>> find(store::Tx& tx, std::string_view project, std::string_view uid);
Result<int64_t> count(store::Tx& tx, std::string_view project);
Result<int64_t> count_active(store::Tx& tx);  // Of all projects.
Result<std::vector<Webhook>> active(store::Tx& tx, std::string_view project);
// The model is called otherwise now.
Status rename_model(store::Tx& tx, std::string_view project, std::string_view model_uid,
                    std::string_view name);
Result<search::Page<Webhook>> list(store::Tx& tx, std::string_view project,
                                   const search::PageQuery& query);

Status insert_delivery(store::Tx& tx, std::string_view project, const Delivery& delivery);
Result<std::optional<Delivery>> find_delivery(store::Tx& tx, std::string_view project,
                                              std::string_view webhook_uid, std::string_view uid);
Result<search::Page<Delivery>> list_deliveries(store::Tx& tx, std::string_view project,
                                               const search::PageQuery& query);

// Webhooks that are free and have a delivery due.
struct Ready {
  std::string project;
  Webhook webhook;
};
Result<std::vector<Ready>> ready(store::Tx& tx, int64_t now_ms);
Result<std::optional<Delivery>> first_due(store::Tx& tx, const Ready& ready, int64_t now_ms);
Status lease(store::Tx& tx, const Due& due);
// Frees the webhook unless somebody else has leased it since.
Status settle(store::Tx& tx, const Due& due, const Delivery& after);
Result<int64_t> tidy(store::Tx& tx, int64_t before_ms, int64_t limit);

}  // namespace slip::notify::sql
