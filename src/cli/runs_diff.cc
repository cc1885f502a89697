#include "cli/runs_diff.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "base/text.h"

namespace slip::cli {
namespace {

using codec::Json;
using Values = std::map<std::string, Json>;

// Tags that name the run itself, or say again what the record says.
constexpr std::array<std::string_view, 4> kOwnTags = {"mlflow.runName", "mlflow.source.",
                                                      "mlflow.log-model.history", "slipway."};

class Rows {
 public:
  void add(std::string_view section, const Values& a, const Values& b) {
    std::set<std::string> names;
    for (const Values* side : {&a, &b})
      for (const auto& [name, value] : *side) names.insert(name);
    for (const std::string& name : names) {
      const auto in_a = a.find(name);
      const auto in_b = b.find(name);
      const Json left = in_a == a.end() ? Json() : in_a->second;
      const Json right = in_b == b.end() ? Json() : in_b->second;
      if (left == right) continue;
      out.push_back(
          Json::object({{"section", section}, {"name", name}, {"a", left}, {"b", right}}));
    }
  }
  std::vector<Json> out;
};

Values members(const Json* object) {
  Values out;
  if (object != nullptr && object->is_object())
    for (const auto& [name, value] : object->members()) out[name] = value;
  return out;
}

void keep(Values* out, const Json* object, std::initializer_list<const char*> names) {
  if (object == nullptr) return;
  for (const char* name : names)
    if (const Json* value = object->find(name); value != nullptr && *value != Json(""))
      (*out)[name] = *value;
}

Values tags(const Json& run) {
  Values out = members(run.find("tags"));
  std::erase_if(out, [](const auto& tag) {
    return std::ranges::any_of(kOwnTags,
                               [&](std::string_view own) { return tag.first.starts_with(own); });
  });
  return out;
}

Values code(const Json& capture) {
  Values out;
  keep(&out, capture.find("code"), {"commit", "patch_sha256", "left_out"});
  if (out["left_out"] == Json::array() || out["left_out"].is_null()) out.erase("left_out");
  keep(&out, &capture, {"command", "directory"});
  return out;
}

Values by_path(const Json* items, std::string_view prefix) {
  Values out;
  if (items != nullptr && items->is_array())
    for (const Json& item : items->items())
      if (const Json *path = item.find("path"), *sha256 = item.find("sha256");
          path != nullptr && path->is_string() && sha256 != nullptr)
        out[concat({prefix, path->as_string()})] = *sha256;
  return out;
}

Values environment(const Json& capture) {
  Values out;
  const Json* environment = capture.find("environment");
  if (environment != nullptr) {
    keep(&out, environment, {"container_digest"});
    keep(&out, environment->find("interpreter"), {"version", "implementation"});
    out.merge(by_path(environment->find("locks"), "lock "));
  }
  keep(&out, capture.find("machine"), {"os", "arch", "cpu_model", "cpus", "cpu_flags"});
  for (auto& [name, value] : members(capture.find("determinism"))) out[name] = value;
  return out;
}

// Of two long lists only what one has and the other hasn't.
void shorten(Values* a, Values* b, const std::string& name) {
  Json& left = (*a)[name];
  Json& right = (*b)[name];
  const auto minus = [](const Json& these, const Json& those) {
    Json out = Json::array();
    if (!these.is_array()) return out;
    for (const Json& one : these.items())
      if (!those.is_array() || std::ranges::find(those.items(), one) == those.items().end())
        out.push(one);
    return out;
  };
  const Json only_left = minus(left, right);
  const Json only_right = minus(right, left);
  left = only_left;
  right = only_right;
}

Values packages(std::string_view lines) {
  Values out;
  for (const std::string_view line : split(lines, '\n')) {
    const std::string_view text = trim(line);
    if (text.empty()) continue;
    const size_t address = text.find(" @ ");
    const size_t pin = text.find("==");
    const size_t end = std::min(address, pin);
    if (end == text.npos) continue;
    out[std::string(text.substr(0, end))] = text.substr(end + (end == address ? 3 : 2));
  }
  return out;
}

}  // namespace

std::vector<Json> diff_runs(const RunSide& a, const RunSide& b) {
  Rows rows;
  rows.add("params", members(a.run.find("params")), members(b.run.find("params")));
  rows.add("metrics", members(a.run.find("metrics")), members(b.run.find("metrics")));
  rows.add("tags", tags(a.run), tags(b.run));
  rows.add("code", code(a.capture), code(b.capture));
  Values left = environment(a.capture);
  Values right = environment(b.capture);
  shorten(&left, &right, "cpu_flags");
  rows.add("environment", left, right);
  rows.add("packages", packages(a.packages), packages(b.packages));
  rows.add("data", by_path(a.capture.find("data"), ""), by_path(b.capture.find("data"), ""));
  rows.add("outputs", by_path(a.capture.find("outputs"), ""),
           by_path(b.capture.find("outputs"), ""));
  rows.add("exit", members(a.capture.find("exit")), members(b.capture.find("exit")));
  return std::move(rows.out);
}

}  // namespace slip::cli
