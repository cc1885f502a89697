#include "wire/mlflow/proto_in.h"

#include "test/fuzz/fuzz.h"
#include "tracking/artifacts.h"
#include "wire/mlflow/proto_time.h"

// A request's body as every reader of fields sees it, times and artifact paths.
SLIP_FUZZ(mlflow_request) {
  const std::string_view text = slip::fuzz::as_text(data);
  if (const auto us = slip::wire::mlflow::parse_timestamp_us(text))
    (void)slip::wire::mlflow::format_timestamp_us(*us);
  if (const auto us = slip::wire::mlflow::parse_duration_us(text))
    (void)slip::wire::mlflow::format_duration_us(*us);
  (void)slip::tracking::parse_artifact_path(text);
  slip::http::Request request;
  request.method = slip::http::Method::kPatch;
  request.body = std::string(text);
  const auto in = slip::wire::mlflow::In::of(request);
  if (!in.ok()) return;
  for (const char* name : {"a", "run_id", "metrics", "key"}) {
    (void)in->text(name);
    (void)in->integer(name);
    (void)in->number(name);
    (void)in->texts(name);
    (void)in->flag_or(name, false);
    (void)in->maybe_enum(name, {1, {"ONE", "TWO"}});
    if (const auto items = in->list(name); items.ok())
      for (const auto& item : *items) (void)item.run_id();
  }
}
