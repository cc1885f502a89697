#include "cli/migrate.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/text.h"
#include "cli/print.h"
#include "codec/hash.h"

// What all kinds share: sending, counting, comparing, the report.
namespace slip::cli {
namespace {

using codec::Json;

constexpr size_t kDifferencesMax = 1000;
constexpr size_t kDifferenceBytesMax = 200;
constexpr int kExitDiffers = 8;

constexpr std::array kColumns = {Column{"KIND", "kind"},         Column{"SOURCE", "source"},
                                 Column{"IMPORTED", "imported"}, Column{"SAME", "same"},
                                 Column{"UPDATED", "updated"},   Column{"DIFFERS", "differs"},
                                 Column{"REFUSED", "refused"},   Column{"SERVER", "server"},
                                 Column{"EQUAL", "equal"},       Column{"DIGEST", "source_digest"}};

std::string digest_of(const Comparison::Items& items) {
  codec::Sha256Stream out;
  for (const auto& [id, text] : items) {
    out.update(concat({std::to_string(id.size()), " ", id, std::to_string(text.size()), " "}));
    out.update(text);
  }
  return out.finish().hex();
}

std::string shortened(std::string_view text) {
  if (text.size() <= kDifferenceBytesMax) return std::string(text);
  return concat({utf8_prefix(text, kDifferenceBytesMax), "…"});
}

void normal(const Json& value, std::string* out) {
  if (value.is_object()) {
    std::map<std::string_view, const Json*> sorted;
    for (const auto& [key, item] : value.members())
      if (!item.is_null()) sorted.emplace(key, &item);
    *out += '{';
    for (const auto& [key, item] : sorted) {
      codec::append_json_string(out, key);
      *out += ':';
      normal(*item, out);
      *out += ',';
    }
    *out += '}';
    return;
  }
  if (value.is_array()) {
    *out += '[';
    for (const Json& item : value.items()) {
      normal(item, out);
      *out += ',';
    }
    *out += ']';
    return;
  }
  *out += codec::to_json(value, 0, codec::NonFinite::kToken);
}

// An address without what two spellings of it may differ in.
std::string normal_uri(std::string_view uri) {
  if (uri.starts_with("file:")) {
    uri.remove_prefix(5);
    if (uri.starts_with("//")) uri = uri.substr(std::min(uri.find('/', 2), uri.size()));
    return normal_uri(percent_decode(uri, false).value_or(std::string(uri)));
  }
  while (uri.size() > 1 && uri.ends_with('/')) uri.remove_suffix(1);
  return std::string(uri);
}

}  // namespace

std::string normal_text(const Json& value) {
  std::string out;
  normal(value, &out);
  return out;
}

std::string normal_fields(const Json& object, std::initializer_list<std::string_view> names) {
  Json out = Json::object();
  for (const std::string_view name : names) {
    const Json* value = object.find(name);
    if (value == nullptr || (value->is_string() && value->as_string().empty())) continue;
    out.set(name, *value);
  }
  return normal_text(out);
}

Comparison::Items items_of(const Json* object) {
  Comparison::Items out;
  if (object == nullptr || !object->is_object()) return out;
  for (const auto& [key, value] : object->members())
    out[key] = value.is_string() ? value.as_string() : normal_text(value);
  return out;
}

Comparison::Items items_of_list(const Json* list) {
  Comparison::Items out;
  if (list == nullptr || !list->is_array()) return out;
  for (const Json& item : list->items()) {
    const Json* key = item.find("key");
    const Json* value = item.find("value");
    if (key != nullptr && key->is_string())
      out[key->as_string()] = value != nullptr && value->is_string() ? value->as_string() : "";
  }
  return out;
}

void Comparison::differ(Kind* kind, const std::string& text) {
  ++kind->differing;
  ++differing_;
  if (differences_.size() < kDifferencesMax) differences_.push_back(text);
}

void Comparison::compare(const std::string& kind, const std::string& scope, const Items& source,
                         const Items& server) {
  Kind& k = kinds_[kind];
  k.source += static_cast<int64_t>(source.size());
  k.server += static_cast<int64_t>(server.size());
  const std::string theirs = digest_of(source);
  const std::string ours = digest_of(server);
  k.source_digests.push_back(theirs);
  k.server_digests.push_back(ours);
  if (theirs == ours) return;
  const std::string what = concat({scope, ": ", kind, " "});
  for (const auto& [id, text] : source) {
    const auto found = server.find(id);
    if (found == server.end())
      differ(&k, concat({what, shortened(id), " is not on the server"}));
    else if (found->second != text)
      differ(&k, concat({what, shortened(id), ": source ", shortened(text), ", server ",
                         shortened(found->second)}));
  }
  for (const auto& [id, text] : server)
    if (!source.contains(id)) differ(&k, concat({what, shortened(id), " is not in the source"}));
}

void Comparison::count(const std::string& kind, int64_t source, int64_t server) {
  kinds_[kind].source += source;
  kinds_[kind].server += server;
}

Result<Json> Mover::send(const std::string& kind, const std::string& name, Json item) {
  Counts& c = counts[kind];
  ++c.source;
  if (dry) return Json();
  Json body = Json::object({{"update", call.on("update")}});
  body.set("items", Json::array({std::move(item)}));
  std::string path = kind;
  std::ranges::replace(path, '_', '-');
  const Result<Json> answer = server.post(concat({"/imports/mlflow/", path}), body);
  if (!answer.ok()) {
    TRY(refuse(kind, name, answer.error()));
    return Json();
  }
  const Json* items = answer->find("items");
  if (items == nullptr || !items->is_array() || items->items().size() != 1)
    return internal("migrate.answer", "the server's answer isn't understood");
  Json one = items->items()[0];
  const std::string state = TRY(codec::want_string(one, "state"));
  ++c.states[state];
  if (state == "differs") {
    const std::string what = TRY(codec::string_or(one, "differing", ""));
    call.terminal.err(concat({kind, " ", name, ": ", what, " differs\n"}));
  }
  return one;
}

Status Mover::refuse(const std::string& kind, const std::string& name, const Error& error) {
  if (error.reason == "http.no_route") return error;  // An older server, or none of ours.
  if (error.code != Code::kInvalid && error.code != Code::kExhausted &&
      error.code != Code::kNotFound && error.code != Code::kConflict)
    return error;
  ++counts[kind].states["refused"];
  call.terminal.err(concat({kind, " ", name, ": ", error.text, "\n"}));
  return {};
}

Status Mover::send_points(const std::string& kind, const std::string& run_id,
                          std::vector<Json>* points) {
  Counts& c = counts[kind];
  std::vector<Json> batch = std::exchange(*points, {});
  c.source += static_cast<int64_t>(batch.size());
  if (batch.empty() || dry) return {};
  Json body = Json::object({{"run_id", run_id}});
  body.set("points", Json::array(std::move(batch)));
  const Result<Json> answer = server.post("/imports/mlflow/metrics", body);
  if (!answer.ok()) return refuse(kind, run_id, answer.error());
  c.states["imported"] += TRY(codec::want_int(*answer, "imported"));
  c.states["same"] += TRY(codec::want_int(*answer, "same"));
  return {};
}

bool Mover::moves_files(std::string_view uri) const {
  return !artifacts_dir.empty() || uri.find(':') == uri.npos || uri.starts_with("file:") ||
         uri.starts_with("mlflow-artifacts:");
}

void Mover::add_tree(FileTree tree) {
  if (!tree.source.empty() && !tree.here.empty()) places_[normal_uri(tree.source)] = tree.here;
  trees.push_back(std::move(tree));
}

std::string Mover::moved(const std::string& uri) const {
  std::string head = normal_uri(uri);
  const std::string whole = head;
  while (!head.empty()) {
    if (const auto found = places_.find(head); found != places_.end())
      return found->second + whole.substr(head.size());
    const size_t slash = head.rfind('/');
    if (slash == head.npos) break;
    head.resize(slash);
  }
  return uri;
}

void Mover::progress(std::string_view what, int64_t done, int64_t of) {
  if (!call.terminal.out_tty || of <= 0) return;
  constexpr int64_t kWidth = 30;
  const int64_t filled = done * kWidth / of;
  if (filled == shown_ && done != of) return;
  shown_ = done == of ? -1 : filled;
  std::string bar(static_cast<size_t>(filled), '#');
  bar.resize(kWidth, '.');
  call.terminal.err(concat({"\r", what, " [", bar, "] ", std::to_string(done), " of ",
                            std::to_string(of), done == of ? "\n" : ""}));
}

Status Mover::send_all() {
  TRY(send_experiments(*this));
  TRY(send_runs(*this));
  TRY(send_logged_models(*this));
  TRY(send_traces(*this));
  TRY(send_files(*this));
  return send_registry(*this);
}

Status Mover::verify_all() {
  TRY(verify_experiments(*this));
  TRY(verify_runs(*this));
  TRY(verify_logged_models(*this));
  TRY(verify_traces(*this));
  TRY(verify_files(*this));
  return verify_registry(*this);
}

Result<int> Mover::all() {
  TRY(send_all());
  if (!dry) TRY(verify_all());
  for (const MlflowStore::Rest& rest : TRY(source.rest()))
    reasons[concat({rest.table, " (", std::to_string(rest.rows), ")"})] = rest.why;
  return report();
}

Json Mover::report_rows() {
  const auto one_of = [](const std::vector<std::string>& digests) {
    return codec::sha256(join(digests, "\n")).text();
  };
  std::map<std::string, Json> rows;
  for (const auto& [kind, c] : counts) {
    Json row = Json::object({{"kind", kind}, {"source", c.source}});
    for (const char* state : {"imported", "same", "updated", "differs", "refused"}) {
      const auto found = c.states.find(state);
      row.set(state, found == c.states.end() ? int64_t{0} : found->second);
    }
    rows[kind] = std::move(row);
  }
  for (const auto& [kind, k] : comparison.kinds()) {
    Json& row = rows.try_emplace(kind, Json::object({{"kind", kind}})).first->second;
    row.set("source", k.source);
    row.set("server", k.server);
    row.set("differing", k.differing);
    row.set("equal", k.differing == 0 && k.source == k.server);
    if (k.source_digests.empty()) continue;
    row.set("source_digest", one_of(k.source_digests));
    row.set("server_digest", one_of(k.server_digests));
  }
  Json out = Json::array();
  for (auto& [kind, row] : rows) out.push(std::move(row));
  return out;
}

int Mover::report() {
  Json rows = report_rows();
  bool equal = comparison.differing() == 0;
  for (const Json& row : rows.items()) {
    for (const char* bad : {"differs", "refused"})
      if (const Json* n = row.find(bad); n != nullptr && n->as_int() > 0) equal = false;
    if (const Json* same = row.find("equal"); same != nullptr && !same->as_bool()) equal = false;
  }
  Json differences = Json::array();
  for (const std::string& d : comparison.differences()) {
    differences.push(d);
    call.terminal.err(concat({"differs: ", d, "\n"}));
  }
  Json left = Json::array();
  for (const auto& [what, why] : reasons) {
    left.push(Json::object({{"what", what}, {"why", why}}));
    call.terminal.err(concat({"not taken over: ", what, ": ", why, "\n"}));
  }
  Json out = Json::object({{"items", std::move(rows)}});
  out.set("verified", !dry);
  out.set("equal", !dry && equal);
  out.set("differing", comparison.differing());
  out.set("differences", std::move(differences));
  out.set("not_taken_over", std::move(left));
  print_rows(call, out, kColumns);
  if (!dry)
    call.terminal.err(equal ? "read back: everything equals the source\n"
                            : "read back: NOT everything equals the source\n");
  return dry || equal ? 0 : kExitDiffers;
}

}  // namespace slip::cli
