#pragma once

#include <vector>

#include "http/route.h"

namespace slip::features {
class Features;
class SourceFiles;
}  // namespace slip::features
namespace slip {
class Pool;
}

// Feast's feature server over HTTP, as its 0.66 client speaks it: get-online-features, push,
// write-to-online-store, materialize, materialize-incremental. Where Feast is wrong we are not: a
// time to live is honoured, an older event never replaces a newer one, NaN is null with NULL_VALUE
// and not a 500, and what is wrong with a request is a 4xx. Errors are Feast's: a JSON text that
// holds {"module","class","message"}, from which the client raises the class.
namespace slip::wire::feast {

struct App {
  features::Features& features;
  features::SourceFiles& files;
  Pool& waiting;  // For answers that wait for functions in Python,
  Pool& reading;  // and for those that wait for Redis.
};
std::vector<http::Route> routes(App app);

http::Reply render_error(const Error& error, const Ctx& ctx);

}  // namespace slip::wire::feast
