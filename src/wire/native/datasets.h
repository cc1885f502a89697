#pragma once

#include <vector>

#include "http/route.h"

namespace slip::data {
class Data;
}

// /datasets: commit a file as a version, look at versions, read their bytes.
namespace slip::wire::native {

struct DatasetsApp {
  data::Data& data;
};
std::vector<http::Route> dataset_routes(DatasetsApp app);

}  // namespace slip::wire::native
