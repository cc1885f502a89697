#include "app/settings.h"

#include <algorithm>
#include <array>

#include "app/toml.h"
#include "base/text.h"
#include "http/target.h"
#include "sys/fs.h"
#include "sys/process.h"

namespace slip::app {
namespace {

using enum SettingType;

constexpr std::array<SettingRow, 60> kSettings = {{
    {"data_dir", kText, "slipway-data", "", "Where everything lies; made when missing."},
    {"host", kText, "127.0.0.1", "", "Address to listen on, or localhost."},
    {"port", kInt, "7070", "", "Port of HTTP; 0 picks a free one."},
    {"grpc_port", kInt, "7071", "", "Port of gRPC; 0 picks a free one."},
    {"db", kText, "", "", "postgresql://user:password@host:port/db instead of SQLite in data_dir.",
     true},
    {"default_artifact_root", kText, "mlflow-artifacts:/", "",
     "URI below which experiments keep their artifacts; other schemes are the client's to reach."},
    {"artifacts_destination", kText, "", "",
     "Directory where uploaded artifacts are also kept, as plain files; empty: nowhere."},
    {"auth", kChoice, "auto", "auto|on|off",
     "Whether credentials are needed; auto: unless host is a loopback address."},
    {"feature_files", kList, "", "",
     "Directories whose files feature sources may name, or off; empty: any when no credentials are "
     "needed, else none."},
    {"quarantine_bytes", kSize, "64MiB", "bytes",
     "Of each feature source: rows and messages that are kept apart; the oldest go when there are "
     "more."},
    {"take_features_from", kText, "", "",
     "The server that kept the rows of features in this database and is gone for good, as the "
     "refusal names it: this one keeps them from now on, without what lay there."},
    {"kafka_brokers", kList, "", "",
     "Brokers (host:port, or host) that feature sources may read from, or off; empty: any when no "
     "credentials are needed, else none."},
    {"kafka_secrets", kText, "", "",
     "Directory of the files that a source's secrets for Kafka may be read from; empty: none."},
    {"feast_ignore_ttl", kSwitch, "off", "",
     "Whether features are served however old they are, as Feast's own servers do."},
    {"redis_url", kText, "", "",
     "redis://[user:password@]host:port/db (rediss:// over TLS), from where features are served; "
     "empty: from memory.",
     true},
    {"redis_layout", kChoice, "packed", "packed|feast",
     "How features lie there: as packed rows, or as Feast's own online store writes them."},
    {"redis_versioned_names", kSwitch, "off", "",
     "Whether names in Feast's layout end in _v{N}, as with its own online versioning."},
    {"redis_expire_s", kInt, "0", "s",
     "How long an entity stays in Feast's layout after its last write; 0: for ever."},
    {"redis_timeout_ms", kInt, "1000", "ms", "How long Redis may take to answer."},
    {"redis_connections", kInt, "16", "", "Connections to Redis that read, at most."},
    {"redis_ca_file", kText, "", "",
     "PEM file of authorities that may vouch for Redis, besides the system's."},
    {"admin_user", kText, "", "", "First administrator, made when no principal exists."},
    {"admin_password", kText, "", "", "Its password, at least 12 bytes.", true, false},
    {"admin_password_file", kText, "", "", "File that holds the password instead."},
    {"default_permission", kChoice, "read", "none|read|use|edit|manage|no_permissions",
     "What a member of a project may do with everything in it; MLflow's names will do."},
    {"model_source_pattern", kText, "", "",
     "RE2 that must be found in the source of each new model version; empty: any will do."},
    {"allowed_hosts", kList, "", "", "Further names by which browsers may reach the server."},
    {"allowed_origins", kList, "", "", "Further origins whose pages may change things."},
    {"public_url", kText, "", "",
     "How clients reach the server, for links to itself; empty: as each request did."},
    {"static_prefix", kPrefix, "", "",
     "Path below which a proxy serves this server, such as /team/slipway."},
    {"tls_certificate", kText, "", "",
     "PEM file, leaf first; turns TLS of HTTP and gRPC on together with tls_key."},
    {"tls_key", kText, "", "", "PEM file of the private key."},
    {"max_body", kSize, "64MiB", "bytes", "Largest body that is read into memory."},
    {"http_threads", kInt, "0", "", "Event loops; 0: one a core."},
    {"grpc_threads", kInt, "0", "", "Queues of gRPC; 0: one a core."},
    {"pool_threads", kInt, "64", "", "Most threads for blocking requests."},
    {"job_runners", kInt, "2", "", "Background steps that run at once."},
    {"python", kText, "python3", "",
     "Interpreter, with pyarrow, that runs functions in Python; off: none are run."},
    {"workers", kInt, "1", "", "Processes that run them, at most; each for one project at a time."},
    {"workers_isolation", kChoice, "best", "best|strict",
     "How they are confined: as well as it goes here, or not started at all."},
    {"workers_user", kText, "", "",
     "Whom they run as, by name or number, when the server may choose; empty: as itself."},
    {"sql_memory", kSize, "512MiB", "bytes",
     "What one query of a feature source may take; more goes to the disk."},
    {"memory_max", kSize, "0", "bytes", "What all shares may hold; 0: 70 % of what there is."},
    {"drain_ms", kInt, "10000", "ms", "How long requests may go on after SIGTERM."},
    {"log_level", kChoice, "info", "debug|info|warn|error", "Least level that is logged."},
    {"log_file", kText, "", "", "File for the log; empty: standard error."},
    {"access_log", kSwitch, "off", "", "A line for each request and call."},
    {"model", kList, "", "",
     "NAME=FILE of a model to serve beside the deployments: ONNX, XGBoost (JSON, UBJSON) or "
     "LightGBM "
     "(text)."},
    {"model_repository", kList, "", "",
     "Directories of models in Triton's layout: NAME/config.pbtxt, NAME/VERSION/model.onnx."},
    {"model_log", kChoice, "kernel", "kernel|disk|none",
     "What the log of their predictions promises before an answer leaves; none: it samples."},
    {"batch_objective_us", kInt, "0", "us",
     "p99 latency that batches are tuned to; 0: no request waits for others while its model is "
     "idle."},
    {"response_cache", kSize, "64MiB", "bytes",
     "Room for answers that are given again, of models that ask for it; 0: none are."},
    {"async_runners", kInt, "2", "",
     "Asynchronous predictions that run at once; 0: `Prefer: respond-async` means nothing."},
    {"async_queue", kInt, "10000", "", "Those that may wait or run; one caller has 9 in 10."},
    {"async_kept_s", kInt, "86400", "s", "How long their answers are kept, and may be waited for."},
    {"oip_server_name", kText, "slipway", "", "Name that /v2 gives."},
    {"allow_client_shm", kSwitch, "off", "",
     "Whether managers of the project default may register this machine's shared memory for "
     "tensors."},
    {"webhooks_allow_http", kSwitch, "off", "", "Whether webhooks may lead to http addresses."},
    {"webhooks_allow_private", kSwitch, "off", "",
     "Whether webhooks may lead to addresses that are not public."},
    {"webhooks_ca_file", kText, "", "",
     "PEM file of authorities that may vouch for webhooks' receivers, besides the system's."},
}};

// What MLflow's own server reads from its environment holds here too, below our own variable.
struct Also {
  std::string_view setting;
  std::string_view variable;
};
constexpr std::array<Also, 1> kAlso = {{
    {"model_source_pattern", "MLFLOW_CREATE_MODEL_VERSION_SOURCE_VALIDATION_REGEX"},
}};

std::string spelled(std::string_view name, char from, char to, bool upper) {
  std::string out(name);
  for (char& c : out) {
    if (c == from) c = to;
    if (upper && c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return out;
}

std::optional<std::string> as_switch(std::string_view value) {
  for (const std::string_view yes : {"on", "true", "1", "yes"})
    if (iequals(value, yes)) return "on";
  for (const std::string_view no : {"off", "false", "0", "no"})
    if (iequals(value, no)) return "off";
  return std::nullopt;
}

Result<std::string> normal(const SettingRow& row, const std::string& value) {
  const auto bad = [&](std::string_view want) {
    return invalid("config.bad_value",
                   concat({row.name, " = '", row.secret ? "…" : value, "': want ", want}));
  };
  switch (row.type) {
    case kText:
    case kList:
      return value;
    case kPrefix: {
      const Status good = http::check_prefix(value);
      if (!good.ok()) return bad(good.error().text);
      return value;
    }
    case kInt: {
      const std::optional<int64_t> n = parse_int(value);
      if (!n || *n < 0) return bad("a whole number, not negative");
      return std::to_string(*n);
    }
    case kSize: {
      const std::optional<int64_t> n = parse_size(value);
      if (!n || *n < 0) return bad("a size such as 64MiB");
      return std::to_string(*n);
    }
    case kSwitch: {
      const std::optional<std::string> on = as_switch(value);
      if (!on) return bad("on or off");
      return *on;
    }
    case kChoice: {
      const std::vector<std::string_view> choices = split(row.unit, '|');
      const std::string wanted = as_switch(value).value_or(value);
      for (const std::string_view choice : choices)
        if (iequals(choice, value) || choice == wanted) return std::string(choice);
      return bad(row.unit);
    }
  }
  CHECK(false);
}

std::string nearest_setting(std::string_view name) {
  std::string best;
  size_t distance = 3;
  for (const SettingRow& row : kSettings) {
    const size_t d = edit_distance(name, row.name);
    if (d < distance) distance = d, best = row.name;
  }
  return best;
}

}  // namespace

std::span<const SettingRow> settings() { return kSettings; }

const SettingRow* find_setting(std::string_view name) {
  for (const SettingRow& row : kSettings)
    if (row.name == name) return &row;
  return nullptr;
}

std::string flag_of(const SettingRow& row) { return "--" + spelled(row.name, '_', '-', false); }
std::string variable_of(const SettingRow& row) {
  return "SLIPWAY_" + spelled(row.name, '.', '_', true);
}

Status Config::put(const std::string& name, const std::string& value, const std::string& origin) {
  const SettingRow* row = find_setting(name);
  if (row == nullptr) {
    Error error = invalid("config.unknown_key", concat({origin, ": no setting '", name, "'"}));
    const std::string near = nearest_setting(name);
    if (near.empty()) return error;
    return std::move(error).with_hint(concat({"did you mean ", near, "?"}));
  }
  Result<std::string> good = normal(*row, value);
  if (!good.ok()) return std::move(good).error().within(origin);
  Setting setting{row, std::move(*good), origin};
  candidates_[name].insert(candidates_[name].begin(), setting);
  for (Setting& s : values_)
    if (s.row == row) s = setting;
  return {};
}

Result<Config> Config::resolve(const Sources& sources) {
  Config config;
  for (const SettingRow& row : kSettings) {
    config.values_.push_back({&row, "", ""});
    TRY(config.put(std::string(row.name), std::string(row.fallback), "default"));
  }
  const std::string file = sources.file.empty() ? "slipway.toml" : sources.file;
  const Result<std::string> text =
      read_file(sources.fs, file, static_cast<int64_t>(kTomlBytesMax) + 1);
  if (text.ok()) {
    Result<std::vector<TomlEntry>> entries = parse_toml(*text);
    if (!entries.ok()) return std::move(entries).error().within(file);
    for (const TomlEntry& e : *entries)
      TRY(config.put(e.key, e.value, file + ":" + std::to_string(e.line)));
  } else if (!sources.file.empty() || text.error().code != Code::kNotFound) {
    return not_found("config.file_missing", concat({file, ": ", text.error().text}));
  }
  for (const Also& also : kAlso) {
    const std::string value = sources.process.env(std::string(also.variable));
    if (!value.empty())
      TRY(config.put(std::string(also.setting), value, std::string(also.variable)));
  }
  for (const SettingRow& row : kSettings) {
    const std::string value = sources.process.env(variable_of(row));
    if (!value.empty()) TRY(config.put(std::string(row.name), value, variable_of(row)));
  }
  for (const auto& [name, value] : sources.flags) {
    const SettingRow* row = find_setting(name);
    TRY(config.put(name, value, row ? flag_of(*row) : "--" + name));
  }
  return config;
}

const Setting& Config::at(std::string_view name) const {
  const auto found = std::find_if(values_.begin(), values_.end(),
                                  [&](const Setting& s) { return s.row->name == name; });
  CHECK(found != values_.end());
  return *found;
}

const std::string& Config::text(std::string_view name) const { return at(name).value; }
int64_t Config::number(std::string_view name) const {
  const std::optional<int64_t> n = parse_int(text(name));
  CHECK(n);
  return *n;
}
bool Config::on(std::string_view name) const { return text(name) == "on"; }

std::vector<std::string> Config::list(std::string_view name) const {
  std::vector<std::string> out;
  for (const std::string_view item : split(text(name), ','))
    if (!trim(item).empty()) out.emplace_back(trim(item));
  return out;
}

const std::vector<Setting>& Config::candidates(std::string_view name) const {
  const auto found = candidates_.find(name);
  CHECK(found != candidates_.end());
  return found->second;
}

}  // namespace slip::app
