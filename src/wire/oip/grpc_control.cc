#include <inference/open_inference.pb.h>

#include "wire/oip/control.h"
#include "wire/oip/grpc_rows.h"
#include "wire/oip/oip_grpc.h"

// Shared memory, trace and log settings over gRPC.
namespace slip::wire::oip {
namespace {

using grpc::Reply;
using grpc::Request;

// ---- shared memory

Result<Reply> region_status(App& app, const Ctx& ctx, const Request& request) {
  TRY(check_server_scope(ctx));
  const auto in = TRY(parsed<inference::SystemSharedMemoryStatusRequest>(request));
  inference::SystemSharedMemoryStatusResponse out;
  for (const auto& region : TRY(app.control->regions.list(in.name()))) {
    auto& to = (*out.mutable_regions())[region->name];
    to.set_name(region->name);
    to.set_key(region->key);
    to.set_offset(region->offset);
    to.set_byte_size(region->bytes);
  }
  return Reply{out.SerializeAsString()};
}

Result<Reply> add_region(App& app, const Ctx& ctx, const Request& request) {
  TRY(check_server_scope(ctx));
  const auto in = TRY(parsed<inference::SystemSharedMemoryRegisterRequest>(request));
  TRY(app.control->regions.add(in.name(), in.key(), in.offset(), in.byte_size()));
  return Reply{};
}

Result<Reply> remove_regions(App& app, const Ctx& ctx, const Request& request) {
  TRY(check_server_scope(ctx));
  const auto in = TRY(parsed<inference::SystemSharedMemoryUnregisterRequest>(request));
  TRY(app.control->regions.remove(in.name()));
  return Reply{};
}

Result<Reply> cuda_status(App&, const Ctx&, const Request& request) {
  const auto in = TRY(parsed<inference::CudaSharedMemoryStatusRequest>(request));
  if (!in.name().empty()) return no_cuda_region(in.name());
  return Reply{};
}

Result<Reply> cuda_add(App&, const Ctx&, const Request& request) {
  return no_cuda(TRY(parsed<inference::CudaSharedMemoryRegisterRequest>(request)).name());
}

Result<Reply> cuda_remove(App&, const Ctx&, const Request&) { return Reply{}; }

// ---- settings

TraceSettings::Change trace_change(const inference::TraceSettingRequest& in) {
  TraceSettings::Change out;
  for (const auto& [name, value] : in.settings()) {
    std::optional<std::vector<std::string>> texts;
    if (value.value_size() > 0) texts.emplace(value.value().begin(), value.value().end());
    out[name] = std::move(texts);
  }
  return out;
}

Result<Reply> trace(App& app, const Ctx& ctx, const Request& request) {
  const auto in = TRY(parsed<inference::TraceSettingRequest>(request));
  std::string model = in.model_name();
  if (!model.empty()) model = TRY(traced_model_named(app, ctx, model));
  TraceSettings& settings = app.control->trace;
  if (in.settings_size() > 0) {
    TRY(check_server_scope(ctx));
    TRY(settings.update(model, trace_change(in)));
  }
  inference::TraceSettingResponse out;
  for (const auto& [name, texts] : settings.get(model))
    (*out.mutable_settings())[name].mutable_value()->Assign(texts.begin(), texts.end());
  return Reply{out.SerializeAsString()};
}

LogSettings::Values log_change(const inference::LogSettingsRequest& in) {
  using Value = inference::LogSettingsRequest::SettingValue;
  LogSettings::Values out;
  for (const auto& [name, value] : in.settings()) {
    if (value.parameter_choice_case() == Value::kBoolParam) out[name] = value.bool_param();
    if (value.parameter_choice_case() == Value::kUint32Param)
      out[name] = static_cast<uint32_t>(value.uint32_param());
    if (value.parameter_choice_case() == Value::kStringParam) out[name] = value.string_param();
  }
  return out;
}

Result<Reply> logging(App& app, const Ctx& ctx, const Request& request) {
  const auto in = TRY(parsed<inference::LogSettingsRequest>(request));
  LogSettings& settings = app.control->log;
  if (in.settings_size() > 0) {
    TRY(check_server_scope(ctx));
    TRY(settings.update(log_change(in)));
  }
  inference::LogSettingsResponse out;
  for (const auto& [name, value] : settings.get()) {
    auto& to = (*out.mutable_settings())[name];
    if (const bool* b = std::get_if<bool>(&value)) to.set_bool_param(*b);
    if (const uint32_t* n = std::get_if<uint32_t>(&value)) to.set_uint32_param(*n);
    if (const std::string* s = std::get_if<std::string>(&value)) to.set_string_param(*s);
  }
  return Reply{out.SerializeAsString()};
}

using Answer = Result<Reply> (*)(App&, const Ctx&, const Request&);

grpc::Method row(App& app, std::string_view name, http::Right right, Answer answer,
                 std::string summary) {
  grpc::Method r = grpc_row(name, right, std::move(summary));
  r.permission.on = http::On::kProject;
  if (right == http::Right::kManage) r.audit = http::Audit::kEvent;
  r.blocking = [&app, answer](const Ctx& ctx, Request& request) {
    return answer(app, ctx, request);
  };
  return r;
}

}  // namespace

std::vector<grpc::Method> control_methods(App& app) {
  using http::Right;
  control_of(app);
  std::vector<grpc::Method> out;
  out.push_back(row(app, "SystemSharedMemoryStatus", Right::kRead, region_status,
                    "Registered shared memory."));
  out.push_back(row(app, "SystemSharedMemoryRegister", Right::kManage, add_region,
                    "Registers shared memory of a client."));
  out.push_back(row(app, "SystemSharedMemoryUnregister", Right::kManage, remove_regions,
                    "Gives shared memory up."));
  out.push_back(
      row(app, "CudaSharedMemoryStatus", Right::kRead, cuda_status, "None: there is no GPU."));
  out.push_back(row(app, "CudaSharedMemoryRegister", Right::kManage, cuda_add,
                    "Not offered: there is no GPU."));
  out.push_back(row(app, "CudaSharedMemoryUnregister", Right::kManage, cuda_remove,
                    "Nothing to do: there is no GPU."));
  // Told and changed by one call: who may only read asks over REST.
  out.push_back(
      row(app, "TraceSetting", Right::kManage, trace, "Trace settings, told or changed."));
  out.push_back(row(app, "LogSettings", Right::kManage, logging, "Log settings, told or changed."));
  return out;
}

}  // namespace slip::wire::oip
