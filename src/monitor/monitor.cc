#include "monitor/monitor.h"

#include <algorithm>

#include "base/check.h"
#include "base/text.h"
#include "core/ledger/ledger.h"
#include "monitor/monitor_store.h"
#include "monitor/watch.h"
#include "sys/clock.h"

namespace slip::monitor {
namespace {

using codec::Json;

std::string key_of(std::string_view project, std::string_view uid) {
  return concat({project, "/", uid});
}

Status check_config(const Config& c) {
  if (c.inputs.empty()) return invalid("monitor.inputs", "name at least one input to watch");
  if (c.window_rows < kWindowRowsMin || c.window_rows > kWindowRowsMax)
    return invalid("monitor.window_rows",
                   concat({"window_rows lies between ", std::to_string(kWindowRowsMin), " and ",
                           std::to_string(kWindowRowsMax)}));
  if (c.retention_days < 1 || c.retention_days > kRetentionDaysMax)
    return invalid("monitor.retention_days", concat({"retention_days lies between 1 and ",
                                                     std::to_string(kRetentionDaysMax)}));
  if (!(c.thresholds.psi > 0) || !(c.thresholds.js > 0))
    return invalid("monitor.thresholds", "thresholds are positive");
  if (c.reference_rows_max < 1 || c.reference_rows_max > kReferenceRowsMax)
    return invalid("monitor.rows_max",
                   concat({"rows_max lies between 1 and ", std::to_string(kReferenceRowsMax)}));
  for (size_t i = 0; i < c.inputs.size(); ++i)
    for (size_t k = 0; k < i; ++k)
      if (c.inputs[i].name == c.inputs[k].name)
        return invalid("monitor.inputs", "input `" + c.inputs[i].name + "` is named twice");
  return {};
}

Error no_monitor(std::string_view deployment) {
  return not_found("monitor.not_found", concat({"deployment `", deployment, "` has no monitor"}));
}

}  // namespace

Json Config::to_json() const {
  Json column_map = Json::object();
  for (const auto& [input, column] : columns) column_map.set(input, column);
  Json input_list = Json::array();
  for (const InputSpec& i : inputs) {
    Json item = Json::object({{"name", i.name}, {"kind", input_kind_name(i.kind)}});
    if (const auto found = vocabularies.find(i.name); found != vocabularies.end())
      item.set("vocabulary", Json::object({{"dataset", found->second.dataset},
                                           {"version", found->second.version},
                                           {"column", found->second.column}}));
    input_list.push(std::move(item));
  }
  return Json::object(
      {{"deployment", deployment},
       {"deployment_uid", deployment_uid},
       {"reference", Json::object({{"dataset", dataset},
                                   {"version", dataset_version},
                                   {"columns", std::move(column_map)},
                                   {"rows_max", reference_rows_max}})},
       {"inputs", std::move(input_list)},
       {"window_rows", window_rows},
       {"retention_days", retention_days},
       {"thresholds", Json::object({{"psi", thresholds.psi}, {"js", thresholds.js}})},
       {"updated_ms", updated_ms}});
}

Result<Config> Config::from_json(const Json& json) {
  Config c;
  c.deployment = TRY(codec::string_or(json, "deployment", ""));
  c.deployment_uid = TRY(codec::string_or(json, "deployment_uid", ""));
  const Json* reference = json.find("reference");
  if (reference == nullptr || !reference->is_object())
    return invalid("monitor.reference", "`reference` names the dataset to compare with");
  c.dataset = TRY(codec::want_string(*reference, "dataset"));
  c.dataset_version = TRY(codec::want_int(*reference, "version"));
  c.reference_rows_max = TRY(codec::int_or(*reference, "rows_max", c.reference_rows_max));
  if (const Json* map = reference->find("columns"); map != nullptr && map->is_object())
    for (const auto& [input, column] : map->members()) {
      if (!column.is_string()) return invalid("monitor.columns", "`columns` maps names to names");
      c.columns[input] = column.as_string();
    }
  const Json* list = json.find("inputs");
  if (list == nullptr || !list->is_array())
    return invalid("monitor.inputs", "`inputs` lists what to watch");
  for (const Json& item : list->items()) {
    const std::optional<InputKind> kind = parse_input_kind(TRY(codec::want_string(item, "kind")));
    if (!kind) return invalid("monitor.kind", "an input's kind is text, numeric or categorical");
    c.inputs.push_back({TRY(codec::want_string(item, "name")), *kind});
    if (const Json* from = item.find("vocabulary"); from != nullptr && !from->is_null()) {
      if (*kind != InputKind::kText)
        return invalid("monitor.vocabulary", "only a text has a vocabulary");
      TextColumn& texts = c.vocabularies[c.inputs.back().name];
      texts.dataset = TRY(codec::want_string(*from, "dataset"));
      texts.version = TRY(codec::want_int(*from, "version"));
      texts.column = TRY(codec::want_string(*from, "column"));
    }
  }
  c.window_rows = TRY(codec::int_or(json, "window_rows", c.window_rows));
  c.retention_days = TRY(codec::int_or(json, "retention_days", c.retention_days));
  if (const Json* t = json.find("thresholds"); t != nullptr && t->is_object()) {
    c.thresholds.psi = TRY(codec::double_or(*t, "psi", c.thresholds.psi));
    c.thresholds.js = TRY(codec::double_or(*t, "js", c.thresholds.js));
  }
  c.updated_ms = TRY(codec::int_or(json, "updated_ms", 0));
  return c;
}

Monitor::Monitor(Deps deps) : deps_(deps) {}
Monitor::~Monitor() = default;

Result<std::map<std::string, words::Vocabulary>> Monitor::read_vocabularies(const Ctx& ctx,
                                                                            const Config& config) {
  std::map<std::string, words::Vocabulary> out;
  for (const auto& [input, from] : config.vocabularies) {
    const std::map<std::string, InputValues> read = TRY(deps_.reference.read(
        ctx, from.dataset, from.version, {{from.column, InputKind::kText}}, kReferenceRowsMax));
    const auto texts = read.find(from.column);
    out[input] =
        texts == read.end() ? words::Vocabulary() : words::Vocabulary::of(texts->second.texts);
  }
  return out;
}

Result<std::shared_ptr<const Monitor::Watch>> Monitor::build_watch(const Ctx& ctx,
                                                                   const std::string& project,
                                                                   Config config) {
  std::map<std::string, InputKind> wanted;  // By column.
  const auto column_of = [&](const std::string& input) {
    const auto found = config.columns.find(input);
    return found == config.columns.end() ? input : found->second;
  };
  for (const InputSpec& i : config.inputs) wanted[column_of(i.name)] = i.kind;
  Ctx own = ctx;
  own.project.text = project;
  const std::map<std::string, InputValues> columns = TRY(deps_.reference.read(
      own, config.dataset, config.dataset_version, wanted, config.reference_rows_max));
  std::map<std::string, InputValues> values;
  for (const InputSpec& i : config.inputs) {
    const auto found = columns.find(column_of(i.name));
    if (found != columns.end()) values[i.name] = found->second;
  }
  auto watch = std::make_shared<Watch>();
  watch->project = project;
  watch->profile = TRY(Profile::build(config.inputs, values, TRY(read_vocabularies(own, config))));
  watch->config = std::move(config);
  return std::shared_ptr<const Watch>(watch);
}

Result<Config> Monitor::configure(const Ctx& ctx, Config config) {
  TRY(check_config(config));
  config.deployment_uid = TRY(deps_.deployments.uid_of(ctx, config.deployment));
  config.updated_ms = deps_.clock.now_ms();
  const std::shared_ptr<const Watch> watch = TRY(build_watch(ctx, ctx.project.text, config));
  const sys::Lock lock(ingesting_);  // No step is between reading a watch and counting by it.
  TRY(deps_.db.write([&](store::Tx& tx) -> Status {
    const std::optional<Config> before =
        TRY(sql::find_config(tx, ctx.project.text, config.deployment_uid));
    TRY(sql::put_config(tx, ctx.project.text, config));
    // What the old reference counted cannot be compared with the new one.
    std::optional<sql::OpenWindow> open =
        TRY(sql::find_open(tx, ctx.project.text, config.deployment_uid));
    if (open) {
      open->window.closed = true;
      TRY(sql::put_window(tx, ctx.project.text, config.deployment_uid, *open));
    }
    ledger::Draft draft;
    draft.verb = before ? "monitor.changed" : "monitor.created";
    draft.subject.kind = "deployment";
    draft.subject.uid = config.deployment_uid;
    draft.subject.name = config.deployment;
    draft.body = config.to_json();
    return deps_.ledger.append(tx, ctx, draft);
  }));
  watches_.with([&](auto& all) { all[key_of(ctx.project.text, config.deployment_uid)] = watch; });
  return config;
}

Result<Config> Monitor::find(const Ctx& ctx, const std::string& deployment) {
  const std::string uid = TRY(deps_.deployments.uid_of(ctx, deployment));
  std::optional<Config> config;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    config = TRY(sql::find_config(tx, ctx.project.text, uid));
    return {};
  }));
  if (!config) return no_monitor(deployment);
  return *std::move(config);
}

// Null when the deployment has no monitor.
Result<std::shared_ptr<const Monitor::Watch>> Monitor::watch_of(const Ctx& ctx,
                                                                const std::string& project,
                                                                const std::string& uid) {
  const std::string key = key_of(project, uid);
  std::shared_ptr<const Watch> known = watches_.with([&](auto& all) {
    const auto found = all.find(key);
    return found == all.end() ? nullptr : found->second;
  });
  if (known) return known;
  std::optional<Config> config;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    config = TRY(sql::find_config(tx, project, uid));
    return {};
  }));
  if (!config) return std::shared_ptr<const Watch>();
  const std::shared_ptr<const Watch> watch = TRY(build_watch(ctx, project, *std::move(config)));
  watches_.with([&](auto& all) { all[key] = watch; });
  return watch;
}

Result<int64_t> Monitor::segment_in_progress() {
  sql::Cursor cursor;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    cursor = TRY(sql::find_cursor(tx));
    return {};
  }));
  return cursor.segment;
}

Result<std::vector<Window>> Monitor::windows(const Ctx& ctx, const std::string& deployment,
                                             int64_t limit) {
  const std::string uid = TRY(deps_.deployments.uid_of(ctx, deployment));
  std::vector<Window> out;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    out = TRY(sql::last_windows(tx, ctx.project.text, uid, limit));
    return {};
  }));
  return out;
}

Result<std::vector<Performance>> Monitor::performance(const Ctx& ctx, const std::string& deployment,
                                                      int64_t limit) {
  const std::string uid = TRY(deps_.deployments.uid_of(ctx, deployment));
  std::vector<Performance> out;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    out = TRY(sql::performance(tx, ctx.project.text, uid, limit));
    return {};
  }));
  return out;
}

Result<std::vector<Alert>> Monitor::alerts(const Ctx& ctx, const std::string& deployment,
                                           const std::string& before_id, int64_t limit) {
  std::vector<Alert> out;
  TRY(deps_.db.read([&](store::Tx& tx) -> Status {
    out = TRY(sql::alerts(tx, ctx, {deployment, before_id, limit}));
    return {};
  }));
  std::vector<std::string> ids;
  for (const Alert& a : out) ids.push_back(a.event_id);
  const std::vector<int64_t> seqs = TRY(deps_.ledger.seqs_of(ctx.project.text, ids));
  for (size_t i = 0; i < out.size(); ++i) out[i].event_seq = seqs[i];
  return out;
}

}  // namespace slip::monitor
