#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "serving/serving.h"
#include "wire/oip/infer.h"

// What both forms of the protocol, REST and gRPC, ask of the domain: they differ in how a request
// is read and a reply is written, in nothing else. From memory unless said. Any thread.
namespace slip::wire::oip {

struct App;
class Regions;

// Names of HTTP's headers and of gRPC's metadata.
inline constexpr const char* kClientRefHeader = "x-slipway-client-ref";
inline constexpr const char* kPredictionIdHeader = "x-slipway-prediction-id";
inline constexpr const char* kModelVersionHeader = "x-slipway-model-version";

struct Target {
  bool may_wait = false;  // The thread isn't an I/O thread: others' requests may come along.
  std::shared_ptr<const serving::Route> route;
  const serving::Arm* arm = nullptr;  // The version that was named, else the stable one.
  int64_t version = 0;                // 0: none was named.
};
// kNotFound `deployment.not_found`.
Result<std::shared_ptr<const serving::Route>> find_route(const App& app, const Ctx& ctx,
                                                         std::string_view model);
// Also kNotFound `model_version.not_served`.
Result<Target> find_target(const App& app, const Ctx& ctx, std::string_view model,
                           std::optional<std::string_view> version);

// Every stable version is loaded.
bool all_ready(const App& app);
// Of the caller's project, by name, as far as it may read them. Asks the database.
Status for_each_served(const App& app, const Ctx& ctx,
                       const std::function<void(const serving::Route&)>& tell);

// Larger requests are read and run elsewhere, however cheap the model.
inline constexpr size_t kInlineBodyBytes = 256 << 10;
// Cheap models answer on the I/O thread; what may take long, or waits for a disk, does not.
bool belongs_on_pool(const Target& target);

// kInvalid `infer.client_ref`.
Status check_client_ref(std::string_view client_ref);

// An answer, as it may leave once the log has taken its record; an empty record is there already,
// or there is none (see serving::Serving::run).
struct Answered {
  std::string record;
  std::string id;  // Of the request: the client's, else the prediction's.
  std::string prediction_id;
  std::string version;
  std::vector<ReplyOutput> outputs;

  InferReply reply(const Target& target) const {
    return {.model_name = target.route->name,
            .model_version = version,
            .id = id,
            .prediction_id = prediction_id};
  }
};
// The request's id is the client's reference when it gave no other.
Result<Answered> run_infer(const App& app, const Ctx& ctx, const Target& target,
                           InferRequest request, std::string client_ref);
// With the record in the log.
Result<Answered> run_and_log(const App& app, const Ctx& ctx, const Target& target,
                             InferRequest request, std::string client_ref);

// What belongs to the server as a whole, settings and shared memory, is changed in the project
// `default` alone. kForbidden `oip.project`.
Status check_server_scope(const Ctx& ctx);
// Where a request's tensors may lie: shared memory belongs to the project `default` too; null
// elsewhere.
const Regions* regions_for(const App& app, const Ctx& ctx);
// `model`, if it is served. kNotFound `deployment.not_found`.
Result<std::string> traced_model_named(const App& app, const Ctx& ctx, const std::string& model);
Error no_cuda(std::string_view region);
Error no_cuda_region(std::string_view region);

// What clients may ask for here.
std::vector<std::string_view> extensions(const App& app);

}  // namespace slip::wire::oip
