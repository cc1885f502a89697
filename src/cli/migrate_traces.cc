#include <cmath>
#include <map>
#include <set>
#include <utility>

#include "base/text.h"
#include "cli/migrate.h"
#include "cli/mlflow.h"

// Traces go in as their own clients send them: the head, then spans by OTLP, then links to runs.
namespace slip::cli {
namespace {

using codec::Json;
using Items = Comparison::Items;

constexpr std::string_view kTraces = "/api/3.0/mlflow/traces";
constexpr int64_t kSearchPage = 500;
constexpr size_t kSpansAtOnce = 200;
constexpr size_t kSpanBytesAtOnce = 2 << 20;

const Json& member(const Json& object, std::string_view key) {
  static const Json nothing = Json::object();
  const Json* value = object.find(key);
  return value != nullptr ? *value : nothing;
}

Json parsed(std::string_view text) {
  Result<Json> out = codec::parse_json(text, codec::NonFinite::kToken);
  return out.ok() ? std::move(out).value() : Json(text);
}

// ---- OTLP in JSON
Json any_of(const Json& value) {
  switch (value.kind()) {
    case Json::Kind::kNull:
      break;
    case Json::Kind::kBool:
      return Json::object({{"boolValue", value}});
    case Json::Kind::kInt:
      return Json::object({{"intValue", std::to_string(value.as_int())}});
    case Json::Kind::kDouble:
      return Json::object({{"doubleValue", value}});
    case Json::Kind::kString:
      return Json::object({{"stringValue", value}});
    case Json::Kind::kArray: {
      Json list = Json::array();
      for (const Json& item : value.items()) list.push(any_of(item));
      return Json::object({{"arrayValue", Json::object({{"values", std::move(list)}})}});
    }
    case Json::Kind::kObject: {
      Json list = Json::array();
      for (const auto& [key, item] : value.members())
        list.push(Json::object({{"key", key}, {"value", any_of(item)}}));
      return Json::object({{"kvlistValue", Json::object({{"values", std::move(list)}})}});
    }
  }
  return Json::object();
}

// What an AnyValue of an answer holds.
Json plain(const Json& any) {
  if (!any.is_object() || any.members().empty()) return {};
  const auto& [name, value] = any.members().front();
  if (name == "int_value" && value.is_string()) return parse_int(value.as_string()).value_or(0);
  if (name != "array_value" && name != "kvlist_value") return value;
  Json out = name == "array_value" ? Json::array() : Json::object();
  if (const Json* values = value.find("values"); values != nullptr && values->is_array())
    for (const Json& item : values->items()) {
      if (out.is_array())
        out.push(plain(item));
      else
        out.set(text_of(item, "key"), plain(member(item, "value")));
    }
  return out;
}

std::string hex_of(const Json& span, std::string_view key) {
  const auto raw = from_base64(text_of(span, key));
  return raw ? to_hex(*raw) : std::string();
}

// Attributes as a list of AnyValues; `dumped`: each is JSON text.
Json attribute_list(const Json& attributes, bool dumped) {
  Json out = Json::array();
  if (!attributes.is_object()) return out;
  for (const auto& [key, value] : attributes.members()) {
    const Json inner = dumped && value.is_string() ? parsed(value.as_string()) : value;
    out.push(Json::object({{"key", key}, {"value", any_of(inner)}}));
  }
  return out;
}

std::string nanos_of(const Json& object, std::string_view key) {
  const Json* value = object.find(key);
  if (value == nullptr || value->is_null()) return "0";
  return value->is_string() ? value->as_string() : codec::to_json(*value);
}

const std::vector<Json>& list_in(const Json& object, std::string_view key) {
  static const std::vector<Json> none;
  const Json* list = object.find(key);
  return list != nullptr && list->is_array() ? list->items() : none;
}

Json otlp_span(const Json& span) {
  Json events = Json::array();
  for (const Json& e : list_in(span, "events"))
    events.push(Json::object({{"name", text_of(e, "name")},
                              {"timeUnixNano", nanos_of(e, "time_unix_nano")},
                              {"attributes", attribute_list(member(e, "attributes"), false)}}));
  Json links = Json::array();
  for (const Json& l : list_in(span, "links")) {
    std::string trace = text_of(l, "trace_id");
    if (trace.starts_with("tr-")) trace.erase(0, 3);
    links.push(Json::object({{"traceId", trace},
                             {"spanId", text_of(l, "span_id")},
                             {"attributes", attribute_list(member(l, "attributes"), false)}}));
  }
  const Json& status = member(span, "status");
  return Json::object({{"traceId", hex_of(span, "trace_id")},
                       {"spanId", hex_of(span, "span_id")},
                       {"parentSpanId", hex_of(span, "parent_span_id")},
                       {"name", text_of(span, "name")},
                       {"startTimeUnixNano", nanos_of(span, "start_time_unix_nano")},
                       {"endTimeUnixNano", nanos_of(span, "end_time_unix_nano")},
                       {"attributes", attribute_list(member(span, "attributes"), true)},
                       {"events", std::move(events)},
                       {"links", std::move(links)},
                       {"status", Json::object({{"code", text_of(status, "code")},
                                                {"message", text_of(status, "message")}})}});
}

// ---- sending
Status post_spans(Mover& m, int64_t experiment, const std::string& trace_id,
                  std::vector<Json> spans) {
  const size_t n = spans.size();
  if (n == 0) return {};
  Json scope = Json::object({{"spans", Json::array(std::move(spans))}});
  Json resource = Json::object({{"scopeSpans", Json::array({std::move(scope)})}});
  const Json body = Json::object({{"resourceSpans", Json::array({std::move(resource)})}});
  const Result<std::string> answer = m.server.post_with(
      "/v1/traces", {"x-mlflow-experiment-id", std::to_string(experiment)}, codec::to_json(body));
  if (!answer.ok()) return m.refuse("spans", trace_id, answer.error());
  m.counts["spans"].states["imported"] += static_cast<int64_t>(n);
  return {};
}

Status send_spans(Mover& m, int64_t experiment, const std::string& trace_id) {
  const std::vector<Json> spans = TRY(m.source.spans(trace_id));
  m.counts["spans"].source += static_cast<int64_t>(spans.size());
  if (m.dry) return {};
  std::vector<Json> batch;
  size_t bytes = 0;
  for (const Json& span : spans) {
    Json next = otlp_span(span);
    const size_t size = codec::to_json(next).size();
    if (batch.size() == kSpansAtOnce || (!batch.empty() && bytes + size > kSpanBytesAtOnce)) {
      TRY(post_spans(m, experiment, trace_id, std::exchange(batch, {})));
      bytes = 0;
    }
    bytes += size;
    batch.push_back(std::move(next));
  }
  return post_spans(m, experiment, trace_id, std::move(batch));
}

Result<std::optional<Json>> server_info(Mover& m, const std::string& id) {
  const Result<std::string> got =
      m.server.raw(http::Method::kGet, concat({kTraces, "/", percent_encode(id)}), "");
  if (!got.ok() && got.error().code == Code::kNotFound) return std::optional<Json>();
  if (!got.ok()) return got.error();
  const Json answer = TRY(codec::parse_json(*got, codec::NonFinite::kToken));
  return std::optional<Json>(member(member(answer, "trace"), "trace_info"));
}

// Where a trace's files are: the server says so in a tag.
std::string files_of(const Json& info) {
  return text_of(member(info, "tags"), "mlflow.artifactLocation");
}

Status send_head(Mover& m, const std::string& id, int64_t experiment, Json info, FileTree* tree) {
  const std::optional<Json> there = TRY(server_info(m, id));
  if (there) tree->here = files_of(*there);
  if (there && !m.call.on("update")) {
    ++m.counts["traces"].states["same"];
    return {};
  }
  info.set("trace_location",
           Json::object({{"type", "MLFLOW_EXPERIMENT"},
                         {"mlflow_experiment",
                          Json::object({{"experiment_id", std::to_string(experiment)}})}}));
  const Json body = Json::object({{"trace", Json::object({{"trace_info", std::move(info)}})}});
  const Result<std::string> sent =
      m.server.raw(http::Method::kPost, kTraces, codec::to_json(body, 0, codec::NonFinite::kToken));
  if (!sent.ok()) return m.refuse("traces", id, sent.error());
  const Json answer = TRY(codec::parse_json(*sent, codec::NonFinite::kToken));
  tree->here = files_of(member(member(answer, "trace"), "trace_info"));
  ++m.counts["traces"].states[there ? "updated" : "imported"];
  return {};
}

Status send_links(Mover& m, const std::string& id, const Json& links) {
  for (const Json& link : links.items()) {
    const std::string target = text_of(link, "target");
    const bool run = text_of(link, "kind") == "run";
    Json body = Json::object({{"run_id", target}, {"trace_ids", Json::array({Json(id)})}});
    if (!run) {
      const size_t slash = target.rfind('/');
      const Json prompt = Json::object(
          {{"name", target.substr(0, slash)},
           {"version", slash == target.npos ? std::string() : target.substr(slash + 1)}});
      body = Json::object({{"trace_id", id}, {"prompt_versions", Json::array({prompt})}});
    }
    const Result<Json> linked =
        mlflow_post(m.server, run ? "traces/link-to-run" : "traces/link-prompts", body);
    if (!linked.ok()) TRY(m.refuse("traces", id, linked.error()));
  }
  return {};
}

Status send_trace(Mover& m, const std::string& id) {
  const Json trace = TRY(m.source.trace(id));
  ++m.counts["traces"].source;
  const int64_t there = trace.find("experiment_id")->as_int();
  const auto here = m.experiments.find(there);
  if (here == m.experiments.end()) return {};  // It was refused, and said so.
  FileTree tree{.owner = concat({"trace ", id}),
                .source = text_of(trace, "artifacts"),
                .below = concat({"traces/", id, "/artifacts"}),
                .experiment = there,
                .here = {},
                .has_files = false};
  if (!m.dry) {
    TRY(send_head(m, id, here->second, member(trace, "info"), &tree));
    if (tree.here.empty()) return {};
    TRY(send_links(m, id, member(trace, "links")));
  }
  m.add_tree(std::move(tree));
  return send_spans(m, here->second, id);
}

// ---- reading back
std::string head_of(const Json& info) {
  Json out =
      Json::object({{"rest", normal_fields(info, {"request_time", "state", "client_request_id",
                                                  "request_preview", "response_preview"})}});
  std::string duration = text_of(info, "execution_duration");
  if (duration.ends_with('s')) duration.pop_back();
  if (const auto seconds = parse_double(duration))
    out.set("duration_us", static_cast<int64_t>(std::llround(*seconds * 1e6)));
  return normal_text(out);
}

Items without(Items items, std::initializer_list<const char*> keys) {
  for (const char* key : keys) items.erase(key);
  return items;
}

Items assessments_of(const Json& info) {
  Items out;
  for (const Json& given : list_in(info, "assessments")) {
    Json a = given;
    const Json* packed = member(a, "expectation").find("serialized_value");
    if (packed != nullptr)
      a.set("expectation", Json::object({{"value", parsed(text_of(*packed, "value"))}}));
    out[text_of(a, "assessment_id")] = normal_fields(
        a, {"assessment_name", "source", "rationale", "metadata", "overrides", "valid", "span_id",
            "feedback", "expectation", "issue", "create_time", "last_update_time"});
  }
  return out;
}

Json values_of(const Json& attributes, bool dumped) {
  Json out = Json::object();
  if (attributes.is_object())
    for (const auto& [key, value] : attributes.members())
      out.set(key, dumped && value.is_string() ? parsed(value.as_string()) : value);
  if (attributes.is_array())
    for (const Json& item : attributes.items())
      out.set(text_of(item, "key"), plain(member(item, "value")));
  return out;
}

std::string span_text(const Json& span, bool dumped) {
  Json events = Json::array();
  for (const Json& e : list_in(span, "events"))
    events.push(Json::object({{"name", text_of(e, "name")},
                              {"time", nanos_of(e, "time_unix_nano")},
                              {"attributes", values_of(member(e, "attributes"), false)}}));
  const Json& status = member(span, "status");
  Json out = Json::object({{"parent", hex_of(span, "parent_span_id")},
                           {"name", text_of(span, "name")},
                           {"start", nanos_of(span, "start_time_unix_nano")},
                           {"end", nanos_of(span, "end_time_unix_nano")},
                           {"status", text_of(status, "code")},
                           {"message", text_of(status, "message")},
                           {"attributes", values_of(member(span, "attributes"), dumped)},
                           {"events", std::move(events)}});
  return normal_text(out);
}

Status verify_spans(Mover& m, const std::string& id, const std::string& scope) {
  Items theirs;
  for (const Json& span : TRY(m.source.spans(id)))
    theirs[hex_of(span, "span_id")] = span_text(span, true);
  Items ours;
  const Result<std::string> got = m.server.raw(
      http::Method::kGet,
      concat({kTraces, "/get", query_of({{"trace_id", id}, {"allow_partial", "true"}})}), "");
  if (!got.ok() && got.error().code != Code::kNotFound) return got.error();
  if (got.ok()) {
    const Json answer = TRY(codec::parse_json(*got, codec::NonFinite::kToken));
    for (const Json& span : list_in(member(answer, "trace"), "spans"))
      ours[hex_of(span, "span_id")] = span_text(span, false);
  }
  m.comparison.compare("spans", scope, theirs, ours);
  return {};
}

// The traces of a run or a prompt, beside what their metadata says.
struct Links {
  std::set<std::string> traces;
  std::set<int64_t> experiments;  // Here.
};

// By the filter that finds them.
using AllLinks = std::map<std::string, Links>;

Status verify_links(Mover& m, const std::string& filter, const Links& links) {
  Json locations = Json::array();
  for (const int64_t id : links.experiments)
    locations.push(Json::object(
        {{"type", "MLFLOW_EXPERIMENT"},
         {"mlflow_experiment", Json::object({{"experiment_id", std::to_string(id)}})}}));
  Json body = Json::object({{"filter", filter}, {"max_results", kSearchPage}});
  body.set("locations", std::move(locations));
  Items theirs;
  for (const std::string& id : links.traces) theirs[id] = "";
  Items ours;
  std::string token;
  do {
    body.set("page_token", token);
    const std::string got =
        TRY(m.server.raw(http::Method::kPost, concat({kTraces, "/search"}), codec::to_json(body)));
    const Json page = TRY(codec::parse_json(got, codec::NonFinite::kToken));
    for (const Json& info : list_in(page, "traces"))
      if (const std::string id = text_of(info, "trace_id"); links.traces.contains(id))
        ours[id] = "";
    token = text_of(page, "next_page_token");
  } while (!token.empty());
  m.comparison.compare("trace_links", filter, theirs, ours);
  return {};
}

Status verify_trace(Mover& m, const std::string& id, AllLinks* links) {
  const Json trace = TRY(m.source.trace(id));
  const auto home = m.experiments.find(trace.find("experiment_id")->as_int());
  for (const Json& link : member(trace, "links").items()) {
    const char* key = text_of(link, "kind") == "run" ? "attributes.run_id" : "prompt";
    Links& of = (*links)[concat({key, " = '", text_of(link, "target"), "'"})];
    of.traces.insert(id);
    if (home != m.experiments.end()) of.experiments.insert(home->second);
  }
  const Json& info = member(trace, "info");
  const std::optional<Json> found = TRY(server_info(m, id));
  const Json here = found ? *found : Json::object();
  const std::string scope = concat({"trace ", id});
  Comparison& c = m.comparison;
  Items heads;
  if (found) heads[id] = head_of(here);
  c.compare("traces", scope, {{id, head_of(info)}}, heads);
  c.compare("trace_tags", scope, items_of(info.find("tags")),
            without(items_of(here.find("tags")),
                    {"mlflow.artifactLocation", "mlflow.trace.spansLocation"}));
  c.compare("trace_metadata", scope, items_of(info.find("trace_metadata")),
            without(items_of(here.find("trace_metadata")), {"mlflow.trace.infoFinalized"}));
  c.compare("assessments", scope, assessments_of(info), assessments_of(here));
  return verify_spans(m, id, scope);
}

}  // namespace

Status send_traces(Mover& m) {
  const std::vector<std::string> ids = TRY(m.source.trace_ids());
  int64_t done = 0;
  for (const std::string& id : ids) {
    m.progress("traces", ++done, static_cast<int64_t>(ids.size()));
    TRY(send_trace(m, id));
  }
  return {};
}

Status verify_traces(Mover& m) {
  AllLinks links;
  const std::vector<std::string> ids = TRY(m.source.trace_ids());
  int64_t done = 0;
  for (const std::string& id : ids) {
    m.progress("reading back traces", ++done, static_cast<int64_t>(ids.size()));
    TRY(verify_trace(m, id, &links));
  }
  for (const auto& [filter, of] : links) TRY(verify_links(m, filter, of));
  return {};
}

}  // namespace slip::cli
