#include "wire/feast/serving.h"

#include <cmath>
#include <utility>

#include <feast/feature_server.pb.h>
#include <feast/serving.pb.h>

#include "base/text.h"
#include "features/features.h"
#include "sys/executor.h"
#include "wire/feast/errors.h"
#include "wire/feast/feature_calls.h"
#include "wire/feast/frames.h"
#include "wire/feast/kept.h"
#include "wire/feast/values.h"

namespace slip::wire::feast {
namespace {

namespace proto = ::feast::serving;
using codec::Json;
using features::Features;

constexpr std::string_view kVersion = "0.66.0";  // Of Feast: what is spoken.

template <class In>
Result<In> parsed(const grpc::Request& request) {
  In in;
  if (!in.ParseFromArray(request.message.data(), static_cast<int>(request.message.size())))
    return invalid("feast.message", "this is no message of that type");
  return in;
}

// Over HTTP this one is a 422.
Error as_ended(Error error) {
  if (error.reason == "push_source.not_found") error.code = Code::kInvalid;
  return with_detail(std::move(error));
}

// ---- reading

Result<Json> columns_of(const proto::GetOnlineFeaturesRequest& in) {
  Json out = Json::object();
  for (const auto* named : {&in.entities(), &in.request_context()})
    for (const auto& [name, values] : *named) {
      Json column = Json::array();
      for (const ::feast::types::Value& one : values.val()) {
        Result<Json> value = json_of_value(one);
        if (!value.ok()) return std::move(value).error().within(name);
        column.push(std::move(*value));
      }
      out.set(name, std::move(column));
    }
  return out;
}

proto::FieldStatus status_of(features::ReadStatus status, const features::Cell& cell) {
  const auto* real = std::get_if<double>(&cell);
  if (real != nullptr && !std::isfinite(*real)) return proto::NULL_VALUE;
  proto::FieldStatus out = proto::INVALID;
  const std::string name(features::read_status_name(status));
  return proto::FieldStatus_Parse(name, &out) ? out : proto::INVALID;
}

// Keys first, then the features, as over HTTP.
void answer(const features::ReadPlan& plan, const features::RequestColumns& request,
            const features::OnlineReply& reply, proto::GetOnlineFeaturesResponse* out) {
  const auto rows = static_cast<size_t>(request.rows);
  auto& names = *out->mutable_metadata()->mutable_feature_names();
  for (const auto* fields : {&plan.keys, &plan.request})
    for (const features::FeatureField& f : *fields) {
      const auto found = request.columns.find(f.name);
      if (found == request.columns.end()) continue;
      names.add_val(f.name);
      proto::GetOnlineFeaturesResponse::FeatureVector& one = *out->add_results();
      for (size_t i = 0; i < rows; ++i) {
        set_value(found->second[i], f.type, one.add_values());
        one.add_statuses(proto::PRESENT);
        one.add_event_timestamps();
      }
    }
  for (size_t o = 0; o < plan.outs.size(); ++o) {
    names.add_val(plan.outs[o].name);
    proto::GetOnlineFeaturesResponse::FeatureVector& one = *out->add_results();
    for (size_t i = 0; i < rows; ++i) {
      const features::Cell& cell = reply.values[o][i];
      set_value(cell, plan.outs[o].type, one.add_values());
      one.add_statuses(status_of(reply.statuses[o][i], cell));
      set_time(reply.event_us[o][i], one.add_event_timestamps());
    }
  }
}

struct Online {
  proto::GetOnlineFeaturesRequest in;
  std::shared_ptr<const features::ReadPlan> plan;
};
Result<Online> asked(Features& features, const Ctx& ctx, const grpc::Request& request) {
  Online out;
  out.in = TRY(parsed<proto::GetOnlineFeaturesRequest>(request));
  OnlineAsk ask;
  ask.service = out.in.feature_service();
  ask.references.assign(out.in.features().val().begin(), out.in.features().val().end());
  ask.full_names = out.in.full_feature_names();
  out.plan = TRY(plan_for(features, ctx, ask));
  return out;
}

Result<grpc::Reply> get_online(Features& features, const Ctx& ctx, const Online& online) {
  const auto& [in, plan] = online;
  const Json columns = TRY(columns_of(in));
  const features::RequestColumns wanted = TRY(request_of(columns, *plan));
  features::OnlineReply reply;
  TRY(features.serve(ctx, *plan, wanted, &reply));
  proto::GetOnlineFeaturesResponse out;
  answer(*plan, wanted, reply, &out);
  out.set_status(true);
  if (in.include_feature_view_version_metadata())
    for (const features::ReadPlan::Read& read : plan->reads) {
      proto::FeatureViewMetadata& view = *out.mutable_metadata()->add_feature_view_metadata();
      view.set_name(read.view->name);
      view.set_version(static_cast<int32_t>(read.view->version));
    }
  return grpc::Reply{out.SerializeAsString()};
}

// ---- writing

// Texts of a row, read as their columns' types.
Json value_of_text(const std::string& text, const features::FeatureField* field) {
  using engine::Type;
  const bool is_text = field == nullptr || field->type.type == Type::kText ||
                       field->type.type == Type::kBytes || field->type.type == Type::kTimestampUs;
  if (is_text) return Json(text);
  Result<Json> value = codec::parse_json(text, codec::NonFinite::kToken);
  return value.ok() ? std::move(*value) : Json(text);
}

// One row, as a frame.
template <class In>
Result<features::Batch> batch_of(const In& in, const features::Source& source) {
  if (!in.features().empty() && !in.typed_features().empty())
    return invalid("feature.request",
                   "Only one of features or typed_features may be set, not both");
  Json frame = Json::object();
  for (const auto& [name, text] : in.features())
    frame.set(name, Json::array({value_of_text(text, source.find(name))}));
  for (const auto& [name, one] : in.typed_features()) {
    Result<Json> value = json_of_value(one);
    if (!value.ok()) return std::move(value).error().within(name);
    Json column = Json::array();
    column.push(std::move(*value));
    frame.set(name, std::move(column));
  }
  return batch_of_frame(frame, source);
}

Result<grpc::Reply> push(Features& features, const Ctx& ctx, const grpc::Request& request) {
  const auto in = TRY(parsed<::PushRequest>(request));
  TRY(push_rows(features, ctx, in.stream_feature_view(), TRY(to_of(in.to())),
                [&](const features::Source& source) { return batch_of(in, source); }));
  ::PushResponse out;
  out.set_status(true);
  return grpc::Reply{out.SerializeAsString()};
}

Result<grpc::Reply> write_online(Features& features, const Ctx& ctx, const grpc::Request& request) {
  const auto in = TRY(parsed<::WriteToOnlineStoreRequest>(request));
  TRY(write_rows(features, ctx, in.feature_view_name(),
                 [&](const features::Source& source) { return batch_of(in, source); }));
  ::WriteToOnlineStoreResponse out;
  out.set_status(true);
  return grpc::Reply{out.SerializeAsString()};
}

// ---- rows

grpc::Method row_of(std::string name, http::Right right, http::Audit audit, std::string summary) {
  grpc::Method r;
  r.name = std::move(name);
  r.permission = {right, "feature", http::On::kProject};
  r.audit = audit;
  r.message_bytes_max = kServingBytesMax;
  r.summary = std::move(summary);
  return r;
}

void answer(Result<grpc::Reply> reply, grpc::Responder respond) {
  if (!reply.ok()) reply = as_ended(std::move(reply).error());
  std::move(respond)(std::move(reply));
}

// On the caller's thread, unless a function is waited for, or another process that holds the rows.
void serve_online(const ServingApp& app, const Ctx& ctx, const grpc::Request& request,
                  grpc::Responder respond) {
  Result<Online> online = asked(app.features, ctx, request);
  if (!online.ok()) return answer(online.error(), std::move(respond));
  const bool waits = online->plan->waits();
  if (!waits && !app.features.reads_elsewhere())
    return answer(get_online(app.features, ctx, *online), std::move(respond));
  struct Pending {
    Online online;
    grpc::Responder respond;
  };
  auto pending = std::make_shared<Pending>(Pending{std::move(*online), std::move(respond)});
  const Status queued =
      (waits ? app.waiting : app.reading).submit([&features = app.features, &ctx, pending] {
        if (pending->respond.cancelled())  // The client has gone; nobody wants the answer.
          return answer(timed_out("call.cancelled", "the client has gone"),
                        std::move(pending->respond));
        answer(get_online(features, ctx, pending->online), std::move(pending->respond));
      });
  if (!queued.ok()) answer(queued.error(), std::move(pending->respond));
}

}  // namespace

std::vector<grpc::Method> serving_methods(ServingApp app) {
  Features& features = app.features;
  using http::Audit;
  using http::Right;
  std::vector<grpc::Method> out;
  for (const std::string_view service : {"feast.serving.ServingService", "GrpcFeatureServer"}) {
    grpc::Method& get =
        out.emplace_back(row_of(concat({service, "/GetOnlineFeatures"}), Right::kRead, Audit::kNone,
                                "Feast: features of entities, as they are served now."));
    get.inline_ = [app](const Ctx& ctx, grpc::Request& r, grpc::Responder respond) {
      serve_online(app, ctx, r, std::move(respond));
    };
  }
  grpc::Method& info =
      out.emplace_back(row_of("feast.serving.ServingService/GetFeastServingInfo", Right::kRead,
                              Audit::kNone, "Feast: the version that is spoken."));
  info.inline_ = [](const Ctx&, grpc::Request&, grpc::Responder respond) {
    proto::GetFeastServingInfoResponse told;
    told.set_version(std::string(kVersion));
    std::move(respond)(grpc::Reply{told.SerializeAsString()});
  };
  const auto writes = [&](std::string_view name, std::string summary, auto handler) {
    grpc::Method& row = out.emplace_back(row_of(concat({"GrpcFeatureServer/", name}), Right::kEdit,
                                                Audit::kCounted, std::move(summary)));
    row.blocking = [&features, handler](const Ctx& ctx, grpc::Request& r) -> Result<grpc::Reply> {
      Result<grpc::Reply> reply = handler(features, ctx, r);
      if (!reply.ok()) return as_ended(std::move(reply).error());
      return reply;
    };
  };
  writes("Push", "Feast: a row of a push source.", push);
  writes("WriteToOnlineStore", "Feast: a row of one feature view.", write_online);
  return out;
}

}  // namespace slip::wire::feast
