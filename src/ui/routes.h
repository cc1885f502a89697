#pragma once

#include <memory>
#include <vector>

#include "http/route.h"
#include "ui/console.h"

// The rows that answer browsers: `/` (the page for html, else
// {"status":"alive"}), deep links below /p/, files below /assets/. All public:
// the console holds no data of its own.
namespace slip::ui {

std::vector<http::Route> routes(std::shared_ptr<const Console> console);

}  // namespace slip::ui
