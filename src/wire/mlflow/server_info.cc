// What clients ask about the server itself before they decide how to talk to it.

#include <array>

#include "wire/mlflow/rows.h"

namespace slip::wire::mlflow {
namespace {

using codec::Json;

Result<Json> server_info(App&, const Ctx&, const In&) {
  return Json::object({{"store_type", "SqlStore"},
                       {"workspaces_enabled", true},
                       {"trace_archival_enabled", false},
                       {"multipart_uploads_enabled", true},
                       {"multipart_downloads_enabled", true},
                       {"presigned_upload_run_id_supported", true},
                       {"presigned_upload_model_id_supported", true},
                       {"features_enabled", Json::object({{"gateway", false}})}});
}

constexpr std::array<Row, 1> kRows = {{
    {http::Method::kGet,
     "3.0/mlflow/server-info",
     {http::Right::kPublic, "server"},
     http::Audit::kNone,
     server_info,
     "Read what this server offers to MLflow's client"},
}};

}  // namespace

void add_server_info(std::vector<http::Route>* out, const App& app) { add_rows(out, app, kRows); }

}  // namespace slip::wire::mlflow
