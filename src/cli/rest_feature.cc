#include <algorithm>
#include <array>

#include "base/text.h"
#include "cli/files.h"
#include "cli/print.h"
#include "cli/rest.h"
#include "codec/table.h"
#include "features/examples.h"
#include "sys/fs.h"

namespace slip::cli {
namespace {

using codec::Json;

constexpr int64_t kYamlFileBytesMax = 8 << 20;
constexpr int64_t kRegistryFileBytesMax = 64 << 20;
constexpr int64_t kEntityFileBytesMax = int64_t{2} << 30;

constexpr std::array kDefinitionColumns = {
    Column{"KIND", "kind"},       Column{"NAME", "name"},
    Column{"VERSION", "version"}, Column{"OWNER", "definition.owner"},
    Column{"DIGEST", "digest"},
};
constexpr std::array kChangeColumns = {
    Column{"KIND", "kind"},     Column{"NAME", "name"},         Column{"VERSION", "version"},
    Column{"ACTION", "action"}, Column{"SEVERITY", "severity"}, Column{"BACKFILL", "backfill_rows"},
};
constexpr std::array kFindingColumns = {
    Column{"NAME", "name"},   Column{"SEVERITY", "severity"}, Column{"WHAT", "path"},
    Column{"CHANGE", "text"}, Column{"READERS", "readers"},
};
constexpr std::array kExampleColumns = {
    Column{"VIEW", "view"},
    Column{"TEST", "test"},
    Column{"OUTCOME", "outcome"},
    Column{"WRONG", "wrong"},
};

// The definitions of all files that were named, as documents.
Result<std::vector<features::Definition>> read_definitions(const Call& call, Fs& fs) {
  std::vector<features::Definition> out;
  for (const std::string& path : call.arguments) {
    const std::string text = TRY(read_file(fs, path, kYamlFileBytesMax));
    Result<std::vector<features::Definition>> some = features::parse_definitions(text);
    if (!some.ok()) return std::move(some).error().within(path);
    for (features::Definition& d : *some) out.push_back(std::move(d));
  }
  return out;
}

Json body_of(const std::vector<features::Definition>& definitions) {
  Json list = Json::array();
  for (const features::Definition& d : definitions) list.push(d.document());
  Json out = Json::object();
  out.set("definitions", std::move(list));
  return out;
}

void print_changes(Call& call, const Json& reply) {
  if (call.on("json")) return print_fields(call, reply);
  const Json* changes = reply.find("changes");
  Json page = Json::object();
  page.set("items", changes == nullptr ? Json::array() : *changes);
  print_rows(call, page, kChangeColumns);
  Json findings = Json::array();
  for (const Json& c : page.find("items")->items())
    for (const Json& f : c.find("findings")->items()) {
      Json row = f;
      row.set("name", *c.find("name"));
      findings.push(std::move(row));
    }
  if (findings.items().empty()) return;
  Json rows = Json::object();
  rows.set("items", std::move(findings));
  print_rows(call, rows, kFindingColumns);
}

Result<int> plan(Call& call, Remote& remote, Fs& fs) {
  const Json reply = TRY(remote.post("/features:plan", body_of(TRY(read_definitions(call, fs)))));
  print_changes(call, reply);
  const std::string fail_on = call.text("fail-on");
  if (fail_on.empty()) return 0;
  constexpr std::array<std::string_view, 4> kOrder = {"none", "minor", "warn", "breaking"};
  const auto rank = [&](std::string_view name) {
    return std::find(kOrder.begin(), kOrder.end(), name) - kOrder.begin();
  };
  if (rank(fail_on) == 4) return invalid("usage.fail_on", "--fail-on minor, warn or breaking");
  const std::string severity = TRY(codec::want_string(reply, "severity"));
  return rank(severity) >= rank(fail_on) ? kExitGate : 0;
}

Result<int> apply(Call& call, Remote& remote, Fs& fs) {
  const std::string query = query_of({{"allow", call.text("allow")}});
  print_changes(
      call, TRY(remote.post("/features:apply" + query, body_of(TRY(read_definitions(call, fs))))));
  return 0;
}

Result<int> test(Call& call, Fs& fs) {
  const std::vector<features::ExampleResult> results =
      TRY(features::run_examples(TRY(read_definitions(call, fs))));
  Json rows = Json::array();
  bool failed = false;
  for (const features::ExampleResult& r : results) {
    failed = failed || !r.wrong.empty();
    rows.push(Json::object({{"view", r.view},
                            {"test", r.name},
                            {"outcome", r.wrong.empty() ? "passed" : "failed"},
                            {"wrong", join(r.wrong, "; ")}}));
  }
  Json page = Json::object();
  page.set("items", std::move(rows));
  print_rows(call, page, kExampleColumns);
  if (results.empty()) call.terminal.err("no view has tests\n");
  return failed ? kExitGate : 0;
}

Result<int> list(Call& call, Remote& remote) {
  const std::string query = query_of({{"kind", call.text("kind")}});
  print_rows(call, TRY(remote.all("/features" + query)), kDefinitionColumns);
  return 0;
}

std::string definition_path(const Call& call) {
  return concat(
      {"/features/", percent_encode(call.argument(0)), "/", percent_encode(call.argument(1))});
}

Result<int> show(Call& call, Remote& remote) {
  print_fields(call, TRY(remote.get(definition_path(call))));
  return 0;
}

Result<int> remove(Call& call, Remote& remote) {
  TRY(remote.call(http::Method::kDelete, definition_path(call), nullptr));
  return 0;
}

constexpr std::array kRunColumns = {
    Column{"RUN", "number"},    Column{"BEGIN", "begin"},           Column{"END", "end"},
    Column{"ADDED", "added"},   Column{"TAKEN BACK", "taken_back"}, Column{"SEQ", "through_seq"},
    Column{"DIGEST", "digest"},
};

std::string runs_path(const Call& call) {
  return concat({"/feature-sources/", percent_encode(call.argument(0)), "/runs"});
}

Result<int> compute(Call& call, Remote& remote) {
  print_fields(call, TRY(remote.call(http::Method::kPost, runs_path(call), nullptr)));
  return 0;
}

Result<int> runs(Call& call, Remote& remote) {
  print_rows(call, TRY(remote.get(runs_path(call))), kRunColumns);
  return 0;
}

Result<std::string> format_of(const Call& call, std::string_view path) {
  if (call.has("format")) return call.text("format");
  if (const auto format = codec::format_of_path(path))
    return std::string(codec::format_name(*format));
  return invalid("usage.format", concat({"what format is ", path, "?"}))
      .with_hint("--format parquet, csv, jsonl or arrow");
}

Result<Json> load_file(Remote& remote, Fs& fs, const std::string& source, const std::string& path,
                       const std::string& query) {
  const std::unique_ptr<File> file = TRY(fs.open(path, OpenMode::kRead));
  const int64_t bytes = TRY(file->size());
  FileSource from(*file);
  return remote.upload(concat({"/feature-sources/", percent_encode(source), "/files", query}), from,
                       bytes);
}

Result<int> load(Call& call, Remote& remote, Fs& fs) {
  const std::string path = call.argument(1);
  const std::string format = TRY(format_of(call, path));
  const std::string query = query_of({{"format", format}, {"to", call.text("to")}});
  print_fields(call, TRY(load_file(remote, fs, call.argument(0), path, query)));
  return 0;
}

Result<Json> key_value(const std::string& text) {
  if (const auto number = parse_int(text)) return Json(*number);
  return Json(text);
}

Result<int> get(Call& call, Remote& remote) {
  Json entities = Json::object();
  for (const std::string& pair : call.list("key")) {
    const size_t equals = pair.find('=');
    if (equals == pair.npos) return invalid("usage.key", "--key NAME=VALUE");
    const Json value = TRY(key_value(pair.substr(equals + 1)));
    entities.set(pair.substr(0, equals), Json::array({value}));
  }
  Json body = Json::object();
  body.set("entities", std::move(entities));
  if (call.has("service")) {
    body.set("feature_service", call.text("service"));
  } else {
    Json names = Json::array();
    for (const std::string& name : call.list("feature")) names.push(name);
    body.set("features", std::move(names));
  }
  const std::string text =
      TRY(remote.raw(http::Method::kPost, "/get-online-features", codec::to_json(body)));
  const Json reply = TRY(codec::parse_json(text));
  if (call.on("json")) {
    print_fields(call, reply);
    return 0;
  }
  const Json& names = *reply.find("metadata")->find("feature_names");
  const Json& results = *reply.find("results");
  Json rows = Json::array();
  for (size_t i = 0; i < names.items().size(); ++i) {
    const Json& r = results.items()[i];
    rows.push(Json::object({{"feature", names.items()[i]},
                            {"value", r.find("values")->items().front()},
                            {"status", r.find("statuses")->items().front()},
                            {"event_time", r.find("event_timestamps")->items().front()}}));
  }
  constexpr std::array kColumns = {Column{"FEATURE", "feature"}, Column{"VALUE", "value"},
                                   Column{"STATUS", "status"}, Column{"EVENT_TIME", "event_time"}};
  Json page = Json::object();
  page.set("items", std::move(rows));
  print_rows(call, page, kColumns);
  return 0;
}

Result<int> train(Call& call, Remote& remote, Fs& fs) {
  const std::string path = call.text("entities");
  const std::string out = call.text("out");
  const std::string format = TRY(format_of(call, path));
  const auto out_format = codec::format_of_path(out);
  const std::string body = TRY(read_file(fs, path, kEntityFileBytesMax));
  const std::string query =
      query_of({{"format", format},
                {"out", out_format ? std::string(codec::format_name(*out_format)) : "parquet"},
                {"service", call.text("service")},
                {"features", join(call.list("feature"), ",")},
                {"mode", call.text("mode")},
                {"time", call.text("time")},
                {"full_names", call.on("full-names") ? "true" : ""}});
  const std::string joined =
      TRY(remote.raw(http::Method::kPost, "/api/slipway/v1/features:join" + query, body));
  TRY(write_file_atomic(fs, out, joined));
  call.terminal.err(
      concat({"written ", out, " (", format_size(static_cast<int64_t>(joined.size())), ")\n"}));
  return 0;
}

Result<int> materialize(Call& call, Remote& remote) {
  if (call.on("rebuild-online")) {
    if (!call.arguments.empty() || call.has("start") || call.has("end"))
      return invalid("usage.rebuild_online", "--rebuild-online is of everything");
    print_fields(call, TRY(remote.post("/features:rebuild-online", Json::object())));
    return 0;
  }
  Json body = Json::object();
  Json views = Json::array();
  for (const std::string& view : call.arguments) views.push(view);
  body.set("views", std::move(views));
  if (call.has("start")) body.set("start", call.text("start"));
  if (call.has("end")) body.set("end", call.text("end"));
  print_fields(call, TRY(remote.post("/features:materialize", body)));
  return 0;
}

// A local path of Feast's file source; nothing for what lies elsewhere.
std::string local_path(std::string_view uri) {
  if (uri.starts_with("file://")) return std::string(uri.substr(7));
  return uri.find("://") == uri.npos ? std::string(uri) : "";
}

Status load_files(Call& call, Remote& remote, Fs& fs, const Json& files) {
  for (const Json& f : files.items()) {
    const std::string source = TRY(codec::want_string(f, "source"));
    const std::string path = local_path(TRY(codec::want_string(f, "uri")));
    const auto format = codec::format_of_path(path);
    if (path.empty() || !format || !fs.stat(path).ok()) {
      call.terminal.err(concat({"not loaded: ", source, ": no file of this machine\n"}));
      continue;
    }
    const std::string query = query_of(
        {{"format", std::string(codec::format_name(*format))}, {"to", call.text("to", "offline")}});
    const Json loaded = TRY(load_file(remote, fs, source, path, query));
    const int64_t rows = TRY(codec::want_int(loaded, "rows"));
    call.terminal.err(concat({"loaded ", source, ": ", std::to_string(rows), " rows\n"}));
  }
  return {};
}

Result<int> import_feast(Call& call, Remote& remote, Fs& fs) {
  const std::string bytes = TRY(read_file(fs, call.argument(0), kRegistryFileBytesMax));
  TextSource from(bytes);
  const std::string query = query_of({{"project", call.text("feast-project")}});
  const Json imported = TRY(
      remote.upload("/features:import-feast" + query, from, static_cast<int64_t>(bytes.size())));
  for (const Json& text : imported.find("left_out")->items())
    call.terminal.err(concat({"left out: ", text.as_string(), "\n"}));
  Json body = Json::object();
  body.set("definitions", *imported.find("definitions"));
  if (call.on("dry-run")) {
    print_changes(call, TRY(remote.post("/features:plan", body)));
    return 0;
  }
  print_changes(call, TRY(remote.post("/features:apply", body)));
  if (call.on("data")) TRY(load_files(call, remote, fs, *imported.find("files")));
  return 0;
}

void add_definition_commands(Commands& commands, const Connect& connect, Fs& fs) {
  const auto remote = [connect](auto run) {
    return [connect, run](Call& call) -> Result<int> {
      const std::unique_ptr<Remote> server = TRY(connect(call));
      return run(call, *server);
    };
  };
  const auto with_files = [&](Result<int> (*run)(Call&, Remote&, Fs&)) {
    return remote([run, &fs](Call& call, Remote& server) { return run(call, server, fs); });
  };
  const std::vector<Argument> files = {{"FILE", "YAML documents", true, true}};
  commands.add({"feature plan",
                "What applying definitions would change, and whom it concerns.",
                files,
                {{"fail-on", "SEVERITY", "Exit with 6 from minor, warn or breaking on."}},
                with_files(plan),
                ""});
  commands.add(
      {"feature apply",
       "Applies definitions, all or none.",
       files,
       {{"allow", "SEVERITY", "The gravest change that is taken: minor, warn or breaking."}},
       with_files(apply),
       "Another meaning makes the next version; services stay with what they read."});
  commands.add({"feature test",
                "Runs the tests that views carry, on this machine.",
                files,
                {},
                [&fs](Call& call) { return test(call, fs); },
                "A view's `tests:` name events, a moment (at) and the values expected then."});
  commands.add({"feature list",
                "Definitions of the project.",
                {},
                {{"kind", "KIND", "Entity, Source, FeatureView, OnDemand or FeatureService."}},
                remote(list),
                ""});
  commands.add({"feature show",
                "One definition with its versions.",
                {{"KIND", "FeatureView, …"}, {"NAME", "its name"}},
                {},
                remote(show),
                ""});
  commands.add({"feature delete",
                "Removes a definition that nobody reads.",
                {{"KIND", "FeatureView, …"}, {"NAME", "its name"}},
                {},
                remote(remove),
                ""});
}

}  // namespace

void add_feature_store_commands(Commands& commands, const Connect& connect, Fs& fs) {
  add_definition_commands(commands, connect, fs);
  const auto remote = [connect](auto run) {
    return [connect, run](Call& call) -> Result<int> {
      const std::unique_ptr<Remote> server = TRY(connect(call));
      return run(call, *server);
    };
  };
  const auto with_files = [&](Result<int> (*run)(Call&, Remote&, Fs&)) {
    return remote([run, &fs](Call& call, Remote& server) { return run(call, server, fs); });
  };
  commands.add({"feature load",
                "Brings a file of rows into a source: all of them or none.",
                {{"SOURCE", "its name"}, {"PATH", "Parquet, CSV, JSONL or Arrow"}},
                {{"to", "WHERE", "online, offline or both [both]."},
                 {"format", "FORMAT", "parquet, csv, jsonl or arrow [by the file's name]."}},
                with_files(load),
                ""});
  commands.add({"feature get",
                "Features of one entity as they are served now.",
                {},
                {{"service", "NAME", "A feature service."},
                 {"feature", "VIEW:FEATURE", "Or features, one by one.", false, true},
                 {"key", "NAME=VALUE", "Join keys and the request's data.", true, true}},
                remote(get),
                ""});
  commands.add({"feature train",
                "Joins features to a file of keys and times, as of each row's time.",
                {},
                {{"entities", "PATH", "Keys and event_timestamp.", true},
                 {"out", "PATH", "Where to; the format by its name.", true},
                 {"service", "NAME", "A feature service."},
                 {"feature", "VIEW:FEATURE", "Or features, one by one.", false, true},
                 {"mode", "MODE", "as_of (with hindsight) or as_known (what could be served)."},
                 {"time", "COLUMN", "The column of times [event_timestamp]."},
                 {"full-names", "", "view__feature instead of feature."},
                 {"format", "FORMAT", "Of the entities [by the file's name]."}},
                with_files(train),
                ""});
  commands.add({"feature materialize",
                "Brings what has arrived in the history online.",
                {{"VIEW", "views; all when none is named", false, true}},
                {{"start", "TIME", "Event times from here on; else what arrived since last time."},
                 {"end", "TIME", "Event times up to here."},
                 {"rebuild-online", "", "Instead: fills Redis again with what the server has."}},
                remote(materialize),
                ""});
  commands.add({"feature compute",
                "Runs a source's SQL, unless its inputs are what they were the last time.",
                {{"SOURCE", "its name"}},
                {},
                remote(compute),
                "It runs by itself before anything reads the source's history."});
  commands.add({"feature runs",
                "Runs of a source's SQL, the newest first.",
                {{"SOURCE", "its name"}},
                {},
                remote(runs),
                ""});
  commands.add({"feature import feast",
                "Takes over the definitions of a Feast registry file.",
                {{"REGISTRY", "registry.db"}},
                {{"feast-project", "NAME", "Of this project alone."},
                 {"dry-run", "", "Only show what would change."},
                 {"data", "", "Load the files of file sources too."},
                 {"to", "WHERE", "Where loaded rows go [offline]."}},
                with_files(import_feast),
                "Python functions are pickles and are never loaded; they are listed."});
}

}  // namespace slip::cli
