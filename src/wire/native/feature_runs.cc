#include "wire/native/feature_runs.h"

#include "base/text.h"
#include "features/files.h"
#include "features/staging.h"
#include "wire/native/native.h"

namespace slip::wire::native {
namespace {

using codec::Json;

Json run_json(const features::Staging::Run& r) {
  Json inputs = Json::array();
  for (const features::Staging::Input& i : r.inputs)
    inputs.push(Json::object({{"table", i.table},
                              {"source", i.source},
                              {"through_seq", i.through_seq},
                              {"rows", i.rows}}));
  Json out = Json::object({{"number", r.number},
                           {"begin", features::time_text(r.begin_us)},
                           {"end", features::time_text(r.end_us)},
                           {"digest", "sha256:" + r.query_digest},
                           {"added", r.added},
                           {"taken_back", r.taken_back},
                           {"through_seq", r.through_seq}});
  out.set("inputs", std::move(inputs));
  return out;
}

}  // namespace

Result<http::Reply> runs_of(features::Features& features, features::Staging& staging,
                            const Ctx& ctx, const std::string& source) {
  TRY(features.source_for(ctx, source, ""));
  Json items = Json::array();
  for (const features::Staging::Run& r : TRY(staging.runs(ctx, source, features::kRunsKept)))
    items.push(run_json(r));
  return json_reply(Json::object({{"items", std::move(items)}}));
}

Result<http::Reply> compute_source(features::Features& features, features::SourceFiles& files,
                                   features::Staging& staging, const Ctx& ctx,
                                   const std::string& source) {
  const features::Source of = TRY(features.source_for(ctx, source, ""));
  if (!of.computed) return invalid("feature.computed", concat({"Source ", source, " has no sql"}));
  TRY(files.refresh(ctx, {source}));
  const std::vector<features::Staging::Run> newest = TRY(staging.runs(ctx, source, 1));
  return json_reply(newest.empty() ? Json::object() : run_json(newest[0]));
}

Result<http::Reply> materialize_views(features::Features& features, features::SourceFiles& files,
                                      const Ctx& ctx, http::Request& request) {
  const Json body = TRY(body_object(request));
  features::Features::Materializing wanted;
  if (const Json* views = body.find("views"); views != nullptr && views->is_array())
    for (const Json& v : views->items())
      if (v.is_string()) wanted.views.push_back(v.as_string());
  const auto time = [&](std::string_view key) -> Result<std::optional<int64_t>> {
    std::optional<int64_t> out;
    const std::string text = TRY(codec::string_or(body, key, ""));
    if (!text.empty()) out = TRY(features::parse_time_us(text));
    return out;
  };
  wanted.start_us = TRY(time("start"));
  wanted.end_us = TRY(time("end")).value_or(INT64_MAX);
  TRY(files.refresh_views(ctx, wanted.views));
  const int64_t rows = TRY(features.materialize(ctx, wanted));
  return json_reply(Json::object({{"rows", rows}}));
}

Result<http::Reply> rebuild_redis(features::Features& features, const Ctx& ctx) {
  features::Features::Materializing wanted;
  wanted.rebuild = true;
  const int64_t n = TRY(features.materialize(ctx, wanted));
  return json_reply(Json::object({{"entities", n}}));
}

}  // namespace slip::wire::native
