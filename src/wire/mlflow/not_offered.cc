// What MLflow's server also answers and this one does not offer: its administration of generative
// models. Every such call gets 501 in MLflow's own form, so that a client says what is missing
// instead of "no such page". Grants below such a path are no part of what MLflow answers: 404.

#include <array>
#include <string>

#include "base/text.h"
#include "wire/mlflow/rows.h"

namespace slip::wire::mlflow {
namespace {

using http::Method;

struct Absent {
  std::string_view path;     // Below "/api/"; one that begins with '/' has no twin.
  std::string_view methods;  // Letters of kLetters.
  std::string_view what;
};
constexpr std::string_view kLetters = "GPUAD";  // GET POST PUT PATCH DELETE
constexpr std::array<Method, 5> kMethods = {Method::kGet, Method::kPost, Method::kPut,
                                            Method::kPatch, Method::kDelete};

constexpr std::array<Absent, 21> kAbsent = {{
    {"3.0/mlflow/datasets/{path...}", "GPAD", "Evaluation datasets are"},
    {"3.0/mlflow/scorers/{path...}", "GPUAD", "Scorers are"},
    {"3.0/mlflow/scorer/{path...}", "P", "Scorers are"},
    {"3.0/mlflow/genai/{path...}", "P", "Evaluation by the server is"},
    {"3.0/mlflow/issues", "P", "Issues are"},
    {"3.0/mlflow/issues/{path...}", "GPA", "Issues are"},
    {"3.0/mlflow/label-schemas/{path...}", "GPAD", "Label schemas are"},
    {"3.0/mlflow/review-queues/{path...}", "GPA", "Review queues are"},
    {"3.0/mlflow/prompt-optimization/{path...}", "GPD", "Prompt optimization is"},
    {"3.0/mlflow/gateway/{path...}", "GPAD", "The gateway to language models is"},
    {"2.0/mlflow/gateway-proxy", "GP", "The gateway to language models is"},
    {"2.0/mlflow/runs/create-promptlab-run", "P", "The prompt laboratory is"},
    {"3.0/mlflow/mcp-servers", "GP", "The registry of MCP servers is"},
    {"3.0/mlflow/mcp-servers/{path...}", "GPAD", "The registry of MCP servers is"},
    {"3.0/mlflow/jobs/{path...}", "GPA", "MLflow's jobs are"},
    {"3.0/jobs/{path...}", "GPA", "MLflow's jobs are"},
    {"3.0/mlflow/assistant/{path...}", "GPUD", "MLflow's assistant is"},
    {"3.0/mlflow/demo/{path...}", "P", "MLflow's demonstration data is"},
    {"3.0/mlflow/ui-telemetry", "GP", "Telemetry of MLflow's own pages is"},
    {"/gateway/{path...}", "GP", "The gateway to language models is"},
    {"/graphql", "GP", "GraphQL is"},
}};

// Before 3.13 each kind had grants of its own; users/permissions replaced them all.
bool is_removed(std::string_view path) { return path.find("/permissions/") != path.npos; }

http::Route row_of(const Absent& absent, Method method) {
  http::Route row;
  row.method = method;
  row.permission = {http::Right::kRead, "server", http::On::kCaller};
  row.audit = http::Audit::kNone;
  row.body = http::memory();
  row.summary = concat({absent.what, " not offered: 501"});
  row.render_error = render_error;
  row.blocking = [text = concat({absent.what, " not offered by this server"})](
                     const Ctx&, http::Request& request) -> Result<http::Reply> {
    if (is_removed(request.path))
      return not_found("mlflow.removed", "There is no such call; see users/permissions");
    return unsupported("mlflow.not_offered", text);
  };
  return row;
}

}  // namespace

void add_not_offered(std::vector<http::Route>* out) {
  for (const Absent& absent : kAbsent) {
    for (size_t i = 0; i < kMethods.size(); ++i) {
      if (absent.methods.find(kLetters[i]) == absent.methods.npos) continue;
      http::Route row = row_of(absent, kMethods[i]);
      if (!absent.path.starts_with('/')) {
        add_twins(out, std::move(row), absent.path);
        continue;
      }
      row.path = absent.path;
      out->push_back(std::move(row));
    }
  }
}

}  // namespace slip::wire::mlflow
