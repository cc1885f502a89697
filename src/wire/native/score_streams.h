#pragma once

#include <vector>

#include "http/route.h"

namespace slip::scoring {
class ScoreStreams;
}

// /score-streams: topics that are scored by a deployment into other topics, over our own REST.
namespace slip::wire::native {

struct ScoreStreamsApp {
  scoring::ScoreStreams& streams;
};
std::vector<http::Route> score_stream_routes(ScoreStreamsApp app);

}  // namespace slip::wire::native
