#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/feature_lookup.h"
#include "app/functions.h"
#include "app/gate.h"
#include "app/keeping.h"
#include "app/model_origins.h"
#include "app/model_source.h"
#include "app/monitor_sources.h"
#include "app/online_redis.h"
#include "app/probe.h"
#include "app/settings.h"
#include "app/trials.h"
#include "app/webhook_sender.h"
#include "base/budget.h"
#include "codec/regex.h"
#include "core/auth/auth.h"
#include "core/auth/directory.h"
#include "core/hold/hold.h"
#include "core/jobs/jobs.h"
#include "core/later/later.h"
#include "core/ledger/ledger.h"
#include "core/sign/sign.h"
#include "core/telemetry/metrics.h"
#include "core/worker/worker.h"
#include "data/data.h"
#include "features/features.h"
#include "features/files.h"
#include "features/history_owner.h"
#include "features/kept_objects.h"
#include "features/staging.h"
#include "features/streams.h"
#include "grpc/health.h"
#include "grpc/server.h"
#include "http/server.h"
#include "monitor/monitor.h"
#include "notify/webhooks.h"
#include "registry/governance.h"
#include "registry/registry.h"
#include "rollout/guard.h"
#include "scoring/streams.h"
#include "serving/archive.h"
#include "serving/batching.h"
#include "serving/response_cache.h"
#include "serving/serving.h"
#include "store/blobs.h"
#include "store/db.h"
#include "store/kafka/kafka.h"
#include "store/log.h"
#include "sys/executor.h"
#include "tracking/tracking.h"
#include "ui/console.h"
#include "wire/async/async.h"
#include "wire/invocations/invocations.h"
#include "wire/kserve1/kserve1.h"
#include "wire/mlflow/signed_links.h"
#include "wire/native/live.h"
#include "wire/oip/oip.h"

namespace slip {
class Clock;
class File;
class Fs;
class Log;
class SwitchedLog;
class Process;
class Rng;
}  // namespace slip

// The whole server as one object: what main runs, what the sweep of routes and the start-up test
// run. To plug in a domain: its migrations in migrations.cc, a member below, its construction in
// wire_up.cc, its rows in routes.cc, its duties in duties.cc.
//
// Invariant: members stand in order of construction; each uses only those above it. The data
// directory is locked as long as this lives.
namespace slip::app {

struct Sys {
  Fs& fs;
  Clock& clock;
  Rng& rng;
  Process& process;
  Executor& executor;
  Log& log;
  SwitchedLog* log_switches = nullptr;  // Of `log`; null: its levels stay as they are.
};

struct World {
  // Opens the data directory and everything in it; serves nothing yet. kConflict
  // `data_dir.locked`, kForbidden `fs.denied`, kInvalid `config.auth_required`, and what the parts
  // say.
  static Result<std::unique_ptr<World>> open(Sys sys, Config config);
  World(Sys sys, Config config);
  ~World();

  // The rows of the server, bound to this object; once.
  Result<std::vector<http::Route>> prepare();
  Result<std::vector<grpc::Method>> prepare_methods();  // Those of gRPC, after prepare().
  Status listen();                                      // Both, background work, HTTP, gRPC.
  void stop();                                          // Drains; idempotent.
  bool auth_required() const;
  std::string http_url() const;      // After listen().
  std::string grpc_address() const;  // "127.0.0.1:7071"; after listen().

  const Sys sys;
  const Config config;
  const int64_t started_ns;
  const std::string data_dir;
  Budget budget;
  telemetry::Metrics metrics;
  std::unique_ptr<File> lock;
  std::unique_ptr<store::Db> db;
  std::unique_ptr<store::Blobs> blobs;
  std::unique_ptr<ledger::Ledger> ledger;
  std::unique_ptr<auth::Auth> auth;
  std::unique_ptr<auth::Directory> directory;
  std::unique_ptr<jobs::Jobs> jobs;
  std::unique_ptr<worker::Workers> workers;  // Of functions in Python.
  std::unique_ptr<hold::Holds> holds;
  std::unique_ptr<data::Data> data;
  std::unique_ptr<store::SegmentLog> arrivals;         // Of features.
  std::unique_ptr<store::SegmentLog> served_features;  // Vectors that features served.
  std::unique_ptr<WorkerFunctions> functions;
  std::unique_ptr<OnlineRedis> redis;  // Null: features are served from memory.
  std::unique_ptr<features::HistoryOwner> feature_owner;
  std::unique_ptr<features::Features> features;
  std::unique_ptr<features::Staging> staging;
  std::unique_ptr<features::SourceFiles> feature_files;
  std::unique_ptr<features::KeptObjects> kept_objects;
  std::unique_ptr<kafka::Client> kafka;
  std::unique_ptr<features::Streams> streams;
  std::unique_ptr<wire::native::LiveFeed> live;
  // Domains.
  RegistryClaims claims;
  HeldObjects held_objects;
  std::unique_ptr<tracking::Tracking> tracking;
  std::unique_ptr<TrackingOrigins> origins;
  std::unique_ptr<sign::Signer> signer;
  std::unique_ptr<ServedTrials> trials;
  std::unique_ptr<DatasetHoldouts> holdouts;
  std::optional<codec::Regex> model_sources;
  std::unique_ptr<registry::Registry> registry;
  std::unique_ptr<registry::Governance> governance;
  std::unique_ptr<RegistrySource> model_source;
  std::unique_ptr<store::SegmentLog> predictions;
  std::unique_ptr<serving::Batching> batching;
  std::unique_ptr<StoreLookups> feature_lookups;
  std::unique_ptr<serving::ResponseCache> response_cache;
  std::unique_ptr<serving::LocalModels> local_models;
  std::unique_ptr<serving::Serving> serving;
  std::atomic<bool> serving_known{false};  // Its table has been made, as far as it could be.
  std::unique_ptr<scoring::ScoreStreams> score_streams;
  std::unique_ptr<serving::Archive> archive;
  std::unique_ptr<rollout::Guard> guard;
  std::unique_ptr<DatasetReference> reference;
  std::unique_ptr<ServedDeployments> served;
  std::unique_ptr<GuardedOutcomes> outcomes;
  std::unique_ptr<monitor::Monitor> monitor;
  std::unique_ptr<WebhookSender> webhook_sender;
  std::unique_ptr<notify::Webhooks> webhooks;
  std::unique_ptr<Pool> webhook_pool;
  std::unique_ptr<later::Later> later;
  // The doors.
  std::shared_ptr<const ui::Console> console;
  std::unique_ptr<AuthGate> gate;
  std::unique_ptr<http::Replays> replays;
  std::unique_ptr<RouteProbe> probe;
  std::unique_ptr<MethodProbe> method_probe;
  std::unique_ptr<Pool> pool;
  std::unique_ptr<Pool> waiting_pool;   // Of rows that wait for other servers.
  std::unique_ptr<Pool> function_pool;  // Of reads that wait for functions in Python,
  std::unique_ptr<Pool> redis_pool;     // and of those that wait for Redis.
  std::unique_ptr<Pool> predict_pool;   // Of predictions by dear models; they wait for a batch.
  std::shared_ptr<const wire::mlflow::SignedLinks> links;
  std::unique_ptr<wire::oip::App> oip;
  std::unique_ptr<wire::kserve1::App> kserve1;
  std::unique_ptr<wire::invocations::App> invocations;
  std::unique_ptr<wire::async::Async> async;
  std::unique_ptr<grpc::Health> health;
  std::vector<std::string> services;  // Of gRPC; set before its server starts.
  std::string openapi;                // Set before the server starts.
  std::unique_ptr<http::Server> server;
  std::unique_ptr<grpc::Server> grpc_server;
};

std::vector<store::Migration> all_migrations();  // migrations.cc
std::string_view whole_schema();                 // schema.sql: what they come to together.
std::vector<ledger::Scope> all_event_scopes();
std::vector<http::Route> all_routes(World& world);    // routes.cc
std::vector<grpc::Method> all_methods(World& world);  // methods.cc
std::optional<bool> takes_calls(const World& world, const std::string& service);
void add_duties(World& world);    // duties.cc
std::string_view git_revision();  // git.cc
int64_t budget_bytes(const Config& config, Process& process);

}  // namespace slip::app
