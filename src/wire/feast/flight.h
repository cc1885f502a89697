#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "features/spool.h"
#include "grpc/method.h"

namespace slip {
class Clock;
}
namespace slip::features {
class Features;
class SourceFiles;
}  // namespace slip::features

// Feast's offline server: Arrow Flight as its 0.66 client speaks it. DoPut brings a command (JSON,
// wire/feast/offline.h) and its table; one that asks is answered by GetFlightInfo and DoGet with
// the same command. Tables come and go through the disk, a message at a time.
//
// What was put waits for its caller alone, until it is fetched, kWaitMs at most; an answer is made
// when it is fetched, and fetched once. Errors carry Feast's own class, which its client raises.
//
// Errors: kNotFound `flight.not_found`, kInvalid `flight.message|flight.descriptor`, kExhausted
// `flight.too_large|flight.too_many`.
namespace slip::wire::feast {

// limits
inline constexpr int64_t kWaitMs = 600'000;
inline constexpr size_t kWaitingMax = 256;
inline constexpr int64_t kPutBytesMax = int64_t{4} << 30;
inline constexpr int64_t kFlightMessageBytesMax = int64_t{256} << 20;

struct FlightApp {
  features::Features& features;
  features::SourceFiles& files;
  Clock& clock;
  std::function<Result<std::unique_ptr<features::Spool>>()> spool;
  // The caller in another project of which it may read (edit) the features.
  std::function<Result<Ctx>(const Ctx&, const grpc::Request&, const std::string& project,
                            http::Right right)>
      enter;
};

// What `app` refers to outlives the rows.
std::vector<grpc::Method> flight_methods(FlightApp app);

}  // namespace slip::wire::feast
