#pragma once

#include <vector>

#include "http/route.h"

namespace slip::features {
class Streams;
}

// Sources that read a topic, over our own REST: how far each is, what came and what was kept apart;
// pause, resume, and go on at the topic's beginning or end.
namespace slip::wire::native {

struct FeatureStreamsApp {
  features::Streams& streams;
};
std::vector<http::Route> feature_stream_routes(FeatureStreamsApp app);

}  // namespace slip::wire::native
