#pragma once

#include <vector>

#include "http/route.h"
#include "wire/databricks/databricks.h"

// registry-webhooks/…: who is told of what happens to one model, or to all. A webhook of one model
// takes the right to manage that model, one of the whole registry the right to manage everything in
// the project: it tells of every model. Clients of this wire see webhooks of its form alone.
namespace slip::wire::databricks {

std::vector<http::Route> registry_webhook_routes(const App& app);

}  // namespace slip::wire::databricks
