#include <array>

#include "app/feature_lookup.h"
#include "app/feature_metrics.h"
#include "app/inference_metrics.h"
#include "app/later_metrics.h"
#include "app/local_models.h"
#include "app/worker_metrics.h"
#include "app/world.h"
#include "base/text.h"
#include "base/version.h"
#include "http/openapi.h"
#include "http/tls.h"
#include "sys/clock.h"
#include "sys/fs.h"
#include "sys/log.h"
#include "sys/net.h"
#include "sys/process.h"
#include "sys/real_path.h"
#include "sys/rng.h"
#include "tracking/location.h"

namespace slip::app {
namespace {

bool is_loopback(std::string_view host) {
  return host == "localhost" || host == "::1" || host == "[::1]" || host.starts_with("127.");
}

Status lock_data_dir(World& w) {
  const std::string& dir = w.data_dir;
  TRY(w.sys.fs.make_dirs(dir));
  const std::string path = dir + "/lock";
  w.lock = TRY(w.sys.fs.open(path, OpenMode::kCreate));
  const Status locked = w.lock->lock();
  if (!locked.ok() && locked.error().code == Code::kConflict)
    return conflict("data_dir.locked", concat({"another server is using the data directory ", dir}))
        .with_hint("stop it, or give this one another --data-dir");
  return locked;
}

Result<std::unique_ptr<store::Db>> open_db(World& w) {
  const store::World stores{w.sys.fs, w.sys.clock, w.sys.executor, w.sys.log};
  const std::string& url = w.config.text("db");
  if (!url.empty()) return store::open_postgres(stores, url);
  return store::open_sqlite(stores, w.data_dir + "/slipway.db", {});
}

auth::Options auth_options(const World& w) {
  auth::Options options;
  options.required = w.auth_required();
  const auto members = auth::parse_role(w.config.text("default_permission"));
  options.member_role = members.value_or(auth::Role::kNone);
  return options;
}

// What is the server's own: no function reads it, no source names it. Absolute, without links.
std::vector<std::string> private_dirs(const World& w) {
  std::vector<std::string> out;
  for (const char* name : {"data_dir", "artifacts_destination"}) {
    const std::string& path = w.config.text(name);
    if (path.empty()) continue;
    out.push_back(real_path(path, w.sys.process.working_dir()));
  }
  return out;
}

std::unique_ptr<worker::Workers> make_workers(const World& w) {
  worker::Options options;
  options.python = w.config.text("python");
  options.count = static_cast<size_t>(w.config.number("workers"));
  options.strict = w.config.text("workers_isolation") == "strict";
  options.user = w.config.text("workers_user");
  options.private_dirs = private_dirs(w);
  return worker::make_workers({w.sys.process, w.sys.clock, w.sys.executor, w.sys.log},
                              std::move(options));
}

Status open_core(World& w) {
  const std::vector<store::Migration> steps = all_migrations();
  TRY(store::migrate(*w.db, steps, whole_schema()));
  w.ledger = std::make_unique<ledger::Ledger>(
      ledger::Ledger::Deps{*w.db, w.sys.clock, w.sys.rng, all_event_scopes()});
  w.auth = std::make_unique<auth::Auth>(auth::Auth::Deps{*w.db, *w.ledger, w.sys.clock, w.sys.rng},
                                        auth_options(w));
  TRY(w.auth->load());
  w.directory = std::make_unique<auth::Directory>(
      auth::Directory::Deps{*w.db, *w.ledger, w.sys.clock, w.sys.rng, *w.auth});
  w.jobs = std::make_unique<jobs::Jobs>(
      jobs::Jobs::Deps{*w.db, w.sys.clock, w.sys.rng, w.sys.executor, w.sys.log});
  w.workers = make_workers(w);
  w.live = std::make_unique<wire::native::LiveFeed>(*w.ledger);
  w.holds =
      std::make_unique<hold::Holds>(hold::Holds::Deps{*w.db, *w.ledger, w.sys.clock, w.sys.rng});
  w.data = std::make_unique<data::Data>(
      data::Data::Deps{*w.db, *w.ledger, *w.blobs, w.sys.clock, w.sys.rng});
  return {};
}

Result<tracking::ArtifactRoots> artifact_roots(World& w) {
  tracking::ArtifactRoots out;
  out.working_dir = w.sys.process.working_dir();
  out.root = tracking::absolute_location(w.config.text("default_artifact_root"), out.working_dir);
  if (const auto dir = tracking::local_dir(out.root))
    out.local = tracking::LocalFiles(w.sys.fs, *dir);
  const std::string& wanted = w.config.text("artifacts_destination");
  if (wanted.empty()) return out;
  const auto dir = tracking::local_dir(tracking::absolute_location(wanted, out.working_dir));
  if (!dir)
    return invalid("config.artifacts_destination",
                   concat({"artifacts_destination = ", wanted, " is no directory of this machine"}))
        .with_hint("leave it out: artifacts are kept in the data directory");
  TRY(w.sys.fs.make_dirs(*dir));
  out.destination = tracking::LocalFiles(w.sys.fs, *dir);
  return out;
}

Status open_webhooks(World& w) {
  notify::Webhooks::Options options;
  options.allow_http = w.config.on("webhooks_allow_http");
  options.allow_private = w.config.on("webhooks_allow_private");
  WebhookSender::Options sending;
  sending.public_only = !options.allow_private;
  if (const std::string& file = w.config.text("webhooks_ca_file"); !file.empty()) {
    sending.authorities = TRY(read_file(w.sys.fs, file, 1 << 20));
    TRY(http::TlsContext::client(sending.authorities));  // A file that is none is told of now.
  }
  w.webhook_sender = std::make_unique<WebhookSender>(
      WebhookSender::Deps{real_net(), w.sys.executor, w.sys.clock}, std::move(sending));
  w.webhooks = std::make_unique<notify::Webhooks>(
      notify::Webhooks::Deps{*w.db, *w.ledger, *w.webhook_sender, w.sys.clock, w.sys.rng}, options);
  w.webhook_pool = make_pool(w.sys.executor, w.sys.clock,
                             {.name = "webhooks",
                              .threads_max = notify::kClaimsAtOnce,
                              .queue_max = 2 * notify::kClaimsAtOnce,
                              .idle_ms = 10'000});
  return {};
}

// Of one server alone, what ran when it ended is nobody's now; where others have the database too,
// leases tell.
Status open_later(World& w) {
  later::Later::Options options;
  options.queue_max = std::max<int64_t>(1, w.config.number("async_queue"));
  options.kept_ms = std::max<int64_t>(1, w.config.number("async_kept_s")) * 1000;
  options.is_admin = [auth = w.auth.get()](const Ctx& ctx) {
    return auth->has_everything(ctx, auth::Role::kManage);
  };
  // Before, every model would be one that isn't there.
  options.ready = [&w] { return w.serving_known.load(); };
  options.give_rights = [auth = w.auth.get()](Ctx* ctx) { ctx->caller = auth->caller_of(*ctx); };
  w.later = std::make_unique<later::Later>(
      later::Later::Deps{*w.db, *w.blobs, *w.ledger, w.budget, w.sys.clock, w.sys.rng,
                         w.sys.executor, w.sys.log},
      std::move(options));
  return w.db->kind() == "sqlite" ? w.later->adopt() : Status();
}

// Where only users of this machine come in, they may name its files; else the operator says which.
std::vector<std::string> feature_file_roots(const World& w) {
  std::vector<std::string> out;
  for (const std::string& root : w.config.list("feature_files"))
    if (root != "off")
      out.push_back(tracking::absolute_location(root, w.sys.process.working_dir()));
  if (w.config.list("feature_files").empty() && !w.auth_required()) out.emplace_back("/");
  return out;
}

// As feature_file_roots().
features::Streams::Rules stream_rules(const World& w) {
  features::Streams::Rules out;
  for (const std::string& broker : w.config.list("kafka_brokers"))
    if (broker != "off") out.brokers.push_back(broker);
  out.any_broker = w.config.list("kafka_brokers").empty() && !w.auth_required();
  if (const std::string& dir = w.config.text("kafka_secrets"); !dir.empty())
    out.secrets_dir = real_path(dir, w.sys.process.working_dir());
  return out;
}

// Who keeps features and reads topics here, where servers with other data directories may have the
// same database.
Result<features::StreamOwner> stream_owner(World& w) {
  constexpr int64_t kBytesMax = 64;
  if (w.db->kind() == "sqlite") return features::StreamOwner();
  const std::string path = w.data_dir + "/features/server";
  Result<std::string> uid = read_file(w.sys.fs, path, kBytesMax);
  if (!uid.ok() && uid.error().code != Code::kNotFound) return uid.error();
  if (!uid.ok()) {
    uid = new_uuid7(w.sys.clock, w.sys.rng).text();
    TRY(w.sys.fs.make_dirs(w.data_dir + "/features"));
    TRY(write_file_atomic(w.sys.fs, path, *uid));
  }
  return features::StreamOwner{std::move(*uid), real_path(w.data_dir, w.sys.process.working_dir())};
}

Status open_features(World& w) {
  w.arrivals = TRY(store::open_segment_log({w.sys.fs, w.sys.clock, w.sys.executor, w.sys.log},
                                           w.data_dir + "/arrivals", {}));
  w.served_features = TRY(store::open_segment_log(
      {w.sys.fs, w.sys.clock, w.sys.executor, w.sys.log}, w.data_dir + "/served-features", {}));
  w.functions = std::make_unique<WorkerFunctions>(*w.workers, w.sys.clock);
  features::StreamOwner self = TRY(stream_owner(w));
  w.feature_owner = std::make_unique<features::HistoryOwner>(*w.db, w.sys.clock, self,
                                                             w.config.text("take_features_from"));
  if (!w.config.text("redis_url").empty()) w.redis = TRY(OnlineRedis::open(w.sys, w.config));
  w.features = std::make_unique<features::Features>(features::Features::Deps{
      *w.db, *w.ledger, *w.blobs, *w.arrivals, *w.served_features, w.sys.fs, w.sys.clock, w.sys.rng,
      w.sys.log, w.data_dir + "/features", w.functions.get(), w.config.on("feast_ignore_ttl"),
      w.redis ? &w.redis->mirror() : nullptr,
      std::max(features::kQuarantineBytesLeast, w.config.number("quarantine_bytes")),
      w.feature_owner.get()});
  w.staging = std::make_unique<features::Staging>(features::Staging::Deps{
      *w.features, *w.db, w.sys.fs, w.sys.clock, w.sys.executor, w.sys.log,
      real_path(w.data_dir, w.sys.process.working_dir()) + "/sql", w.config.number("sql_memory")});
  w.feature_files = std::make_unique<features::SourceFiles>(
      features::SourceFiles::Deps{*w.features, *w.db, w.sys.fs, w.sys.log, feature_file_roots(w),
                                  private_dirs(w), w.staging.get()});
  w.kept_objects = std::make_unique<features::KeptObjects>(
      features::KeptObjects::Deps{*w.db, *w.ledger, w.sys.clock});
  w.kafka = kafka::make_client(w.sys.log);
  w.streams = std::make_unique<features::Streams>(features::Streams::Deps{
      *w.features, *w.db, *w.ledger, *w.kafka, w.sys.executor, w.sys.clock, w.sys.fs, w.sys.process,
      w.sys.log, stream_rules(w), std::move(self)});
  return w.features->open();
}

Status open_domains(World& w) {
  TRY(open_features(w));
  tracking::ArtifactRoots roots = TRY(artifact_roots(w));
  w.tracking = std::make_unique<tracking::Tracking>(
      tracking::Deps{*w.db, *w.blobs, *w.ledger, w.sys.clock, w.sys.rng, std::move(roots)});
  w.tracking->purge.set_claims(&w.claims);
  w.origins = std::make_unique<TrackingOrigins>(*w.tracking, w.auth.get());
  w.signer = std::make_unique<sign::Signer>(
      TRY(sign::open_signer({w.sys.fs, w.sys.clock, *w.db}, w.data_dir + "/signing-key.pem")));
  w.trials = std::make_unique<ServedTrials>(ServedTrials::Deps{*w.blobs, w.budget, w.sys.clock});
  w.holdouts = std::make_unique<DatasetHoldouts>(*w.data, *w.auth);
  if (const std::string& pattern = w.config.text("model_source_pattern"); !pattern.empty()) {
    auto compiled = codec::Regex::compile(pattern);
    if (!compiled.ok()) return std::move(compiled).error().within("model_source_pattern");
    w.model_sources = std::move(*compiled);
  }
  w.registry = std::make_unique<registry::Registry>(registry::Registry::Deps{
      *w.db, *w.blobs, *w.ledger, w.sys.clock, w.sys.rng, *w.origins, w.signer.get(),
      w.holdouts.get(), w.trials.get(), w.model_sources ? &*w.model_sources : nullptr});
  w.governance = std::make_unique<registry::Governance>(*w.registry);
  w.model_source = std::make_unique<RegistrySource>(*w.registry, *w.blobs);
  w.predictions = TRY(store::open_segment_log({w.sys.fs, w.sys.clock, w.sys.executor, w.sys.log},
                                              w.data_dir + "/predictions", {}));
  w.batching = std::make_unique<serving::Batching>(
      w.sys.executor, w.sys.clock,
      serving::Batching::Options{.threads = static_cast<size_t>(w.sys.process.cpu_count()),
                                 .objective_us = w.config.number("batch_objective_us")});
  w.response_cache = std::make_unique<serving::ResponseCache>(
      serving::ResponseCache::Deps{w.budget, w.sys.clock, w.sys.rng},
      w.config.number("response_cache"));
  w.feature_lookups = std::make_unique<StoreLookups>(*w.features);
  w.local_models = TRY(open_local_models(w));
  w.serving = std::make_unique<serving::Serving>(
      serving::Serving::Deps{*w.db, *w.ledger, *w.model_source, *w.predictions, w.budget,
                             w.sys.clock, w.sys.rng, w.sys.log, *w.local_models, w.batching.get(),
                             w.feature_lookups.get(), w.response_cache.get()});
  TRY(check_local_names(w));
  features::StreamOwner self = TRY(stream_owner(w));
  w.score_streams = std::make_unique<scoring::ScoreStreams>(scoring::ScoreStreams::Deps{
      *w.db, *w.ledger, w.sys.executor, w.sys.rng,
      scoring::Scorer::Deps{*w.kafka, *w.serving, w.sys.clock, w.sys.log,
                            [streams = w.streams.get()](const features::KafkaSource& of) {
                              return streams->options_of(of);
                            }},
      std::move(self.uid)});
  w.archive = std::make_unique<serving::Archive>(
      serving::Archive::Deps{*w.db, *w.blobs, *w.predictions, w.sys.clock, w.sys.log});
  w.guard = std::make_unique<rollout::Guard>(rollout::Guard::Deps{*w.serving});
  w.reference = std::make_unique<DatasetReference>(*w.data);
  w.served = std::make_unique<ServedDeployments>(*w.serving);
  w.outcomes = std::make_unique<GuardedOutcomes>(
      *w.guard, [jobs = w.jobs.get()] { jobs->poke("serving.follow"); });
  w.monitor = std::make_unique<monitor::Monitor>(
      monitor::Monitor::Deps{*w.db, *w.ledger, *w.predictions, *w.reference, *w.served, *w.outcomes,
                             w.sys.clock, w.sys.rng, w.sys.log});
  TRY(open_webhooks(w));
  return open_later(w);
}

Result<std::string> admin_password(const World& w) {
  const std::string& file = w.config.text("admin_password_file");
  if (file.empty()) return w.config.text("admin_password");
  const std::string text = TRY(read_file(w.sys.fs, file, 4096));
  return std::string(trim(text));
}

// The file exists before it holds anything, so the token is never readable by others.
Status write_private(Fs& fs, const std::string& path, std::string_view text) {
  std::unique_ptr<File> file = TRY(fs.open(path, OpenMode::kTruncate));
  TRY(fs.make_private(path));
  TRY(file->write_at(0, text));
  TRY(file->sync());
  return fs.sync_dir(parent_dir(path));
}

Status first_admin(World& w) {
  auth::Auth::FirstAdmin admin;
  admin.user = w.config.text("admin_user");
  admin.password = TRY(admin_password(w));
  if (!w.auth_required() && admin.user.empty() && admin.password.empty()) return {};
  const std::optional<auth::IssuedToken> token = TRY(w.auth->bootstrap(admin));
  if (!token) return {};
  const std::string path = w.data_dir + "/bootstrap-token";
  TRY(write_private(w.sys.fs, path, token->text + "\n"));
  w.sys.log.info("first administrator's token written", {{"file", std::string_view(path)}});
  return {};
}

// Links that this server signs stay valid over a restart.
Status open_links(World& w) {
  const std::string path = w.data_dir + "/link-key";
  Result<std::string> key = read_file(w.sys.fs, path, 4096);
  if (!key.ok() && key.error().code == Code::kNotFound) {
    std::array<uint8_t, 32> bytes{};
    w.sys.rng.fill(bytes);
    key = to_hex(bytes);
    TRY(write_private(w.sys.fs, path, *key));
  }
  TRY(key);
  if (key->size() < 64)
    return corrupt("data_dir.link_key", concat({path, " holds no key"}))
        .with_hint("delete it: a new one is made, and links in use end");
  w.links = std::make_shared<const wire::mlflow::SignedLinks>(
      std::move(*key), w.config.text("public_url"), !w.config.text("tls_certificate").empty(),
      w.config.text("static_prefix"));
  return {};
}

Status open_console(World& w) {
  ui::Settings settings;
  settings.base_href = w.config.text("static_prefix") + "/";
  settings.config_json = concat({R"({"project":"default","version":")", kVersion, R"("})"});
  ui::Console console = TRY(ui::Console::open(ui::embedded_pack(), settings));
  w.console = std::make_shared<const ui::Console>(std::move(console));
  return {};
}

}  // namespace

int64_t budget_bytes(const Config& config, Process& process) {
  const int64_t wanted = config.number("memory_max");
  return wanted > 0 ? wanted : process.memory_limit_bytes() / 10 * 7;
}

World::World(Sys sys_, Config config_)
    : sys(sys_),
      config(std::move(config_)),
      started_ns(sys.clock.steady_ns()),
      data_dir(config.text("data_dir")),
      budget(budget_bytes(config, sys.process)) {}

World::~World() { stop(); }

bool World::auth_required() const {
  const std::string& wanted = config.text("auth");
  return wanted == "on" || (wanted == "auto" && !is_loopback(config.text("host")));
}

Result<std::unique_ptr<World>> World::open(Sys sys, Config config) {
  auto w = std::make_unique<World>(sys, std::move(config));
  if (!w->auth_required() && !is_loopback(w->config.text("host")))
    return invalid("config.auth_required", concat({"listening on ", w->config.text("host"),
                                                   " without authentication would let anybody in"}))
        .with_hint("leave out --no-auth, or listen on 127.0.0.1");
  TRY(lock_data_dir(*w));
  w->metrics.declare(server_metrics());
  w->metrics.declare(feature_metrics());
  w->metrics.declare(inference_metrics());
  w->metrics.declare(stream_metrics());
  w->metrics.declare(score_stream_metrics());
  w->metrics.declare(worker_metrics());
  w->metrics.declare(later_metrics());
  w->metrics.declare(redis_metrics());
  w->db = TRY(open_db(*w));
  w->blobs =
      TRY(store::open_blobs({sys.fs, sys.clock, sys.executor, sys.log}, w->data_dir + "/blobs"));
  TRY(open_core(*w));
  TRY(open_domains(*w));
  TRY(first_admin(*w));
  TRY(open_links(*w));
  TRY(open_console(*w));
  w->gate = std::make_unique<AuthGate>(*w->auth);
  w->replays = http::make_replays(*w->db, sys.clock);
  add_duties(*w);
  return w;
}

namespace {

Level least_level(const Log& log) {
  for (const Level level : {Level::kDebug, Level::kInfo, Level::kWarn})
    if (log.enabled(level)) return level;
  return Level::kError;
}

std::function<void(Level, bool)> log_switch(const Sys& sys) {
  if (sys.log_switches == nullptr) return nullptr;
  return [switches = sys.log_switches](Level level, bool on) { switches->turn(level, on); };
}

}  // namespace

Result<std::vector<http::Route>> World::prepare() {
  pool = make_pool(sys.executor, sys.clock,
                   {.name = "pool",
                    .threads_max = static_cast<size_t>(config.number("pool_threads")),
                    .queue_max = 1024,
                    .idle_ms = 10'000});
  waiting_pool =
      make_pool(sys.executor, sys.clock,
                {.name = "waiting", .threads_max = 16, .queue_max = 16, .idle_ms = 10'000});
  function_pool =
      make_pool(sys.executor, sys.clock,
                {.name = "functions", .threads_max = 8, .queue_max = 64, .idle_ms = 10'000});
  predict_pool =
      make_pool(sys.executor, sys.clock,
                {.name = "predict", .threads_max = 256, .queue_max = 4096, .idle_ms = 10'000});
  redis_pool = make_pool(sys.executor, sys.clock,
                         {.name = "redis",
                          .threads_max = static_cast<size_t>(config.number("redis_connections")),
                          .queue_max = 1024,
                          .idle_ms = 10'000});
  oip = std::make_unique<wire::oip::App>(
      wire::oip::App{*serving, *predict_pool, config.text("oip_server_name"), kVersion,
                     config.on("allow_client_shm"), least_level(sys.log), log_switch(sys)});
  kserve1 = std::make_unique<wire::kserve1::App>(wire::kserve1::App{
      *serving, [this](const Ctx& ctx, const std::string& model, const std::string& alias) {
        return model_source->resolve(ctx, model, alias);
      }});
  invocations = std::make_unique<wire::invocations::App>(wire::invocations::App{*serving});
  const auto pool_of_rows = [this]() -> Pool& { return *pool; };
  async = std::make_unique<wire::async::Async>(
      wire::async::Async::Deps{*later, sys.clock, pool_of_rows});
  std::vector<http::Route> rows = all_routes(*this);
  async->wrap(&rows);
  TRY(guard_rows(*auth, pool_of_rows, &rows));
  TRY(async->serve(rows));
  openapi = TRY(http::openapi(rows, kVersion));
  return rows;
}

Result<std::vector<grpc::Method>> World::prepare_methods() {
  health = std::make_unique<grpc::Health>(
      [this](const std::string& service) { return takes_calls(*this, service); });
  std::vector<grpc::Method> rows = all_methods(*this);
  async->wrap_methods(&rows);
  services = grpc::service_names(rows);
  TRY(guard_methods(*auth, [this]() -> Pool& { return *pool; }, &rows));
  async->serve_methods(rows);
  return rows;
}

}  // namespace slip::app
