#pragma once

#include <vector>

#include "http/route.h"
#include "notify/webhooks.h"

// /webhooks: who is told of what, by events of MLflow's and our own; what was delivered; replay.
namespace slip::wire::native {

struct WebhooksApp {
  notify::Webhooks& webhooks;
};
std::vector<http::Route> webhook_routes(WebhooksApp app);

}  // namespace slip::wire::native
