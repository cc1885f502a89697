#include "wire/native/feature_join.h"

#include "base/text.h"
#include "features/file_join.h"
#include "features/files.h"
#include "wire/native/native.h"

namespace slip::wire::native {
namespace {

Result<std::shared_ptr<const features::ReadPlan>> plan_of(features::Features& features,
                                                          const Ctx& ctx,
                                                          const http::Request& request) {
  const std::string service = query_text(request, "service");
  const std::string list = query_text(request, "features");
  const bool full = query_text(request, "full_names") == "true";
  if (service.empty() == list.empty())
    return invalid("request.query", "?service= or ?features=view:feature,… is wanted");
  const std::string key = concat({service, "\n", list, full ? "\nfull" : "\n"});
  return features.cached_plan(
      ctx, key, [&](const features::Shelf& shelf) -> Result<features::ReadPlan> {
        if (!service.empty()) return features::plan_service(shelf, service, 0, full);
        std::vector<std::string> references;
        for (const std::string_view one : split(std::string_view(list), ','))
          references.emplace_back(trim(one));
        return features::plan_read(shelf, TRY(features::items_of(references)), full);
      });
}

}  // namespace

Result<std::unique_ptr<features::FileRows>> open_spooled(features::Features& features,
                                                         http::Request& request) {
  const std::string format = query_text(request, "format");
  if (format.empty())
    return invalid("request.missing_field", "?format= is missing: parquet, csv, jsonl or arrow");
  const codec::Format parsed = TRY(codec::parse_format(format));
  if (!request.draft) return invalid("request.missing_field", "the request has no body");
  return features.open_file(parsed, std::move(request.draft));
}

Result<http::Reply> join_file(features::Features& features, features::SourceFiles& files,
                              const Ctx& ctx, http::Request& request) {
  features::FileJoin join;
  join.project = ctx.project.text;
  join.plan = TRY(plan_of(features, ctx, request));
  TRY(files.refresh_plan(ctx, *join.plan));
  join.time = query_text(request, "time");
  const std::string mode = query_text(request, "mode");
  if (mode == "as_known")
    join.joining.mode = features::JoinMode::kAsKnown;
  else if (!mode.empty() && mode != "as_of")
    return invalid("request.query", "?mode= is as_of or as_known");
  const std::string out_text = query_text(request, "out");
  const codec::Format as = TRY(codec::parse_format(out_text.empty() ? "parquet" : out_text));
  const std::unique_ptr<features::FileRows> entities = TRY(open_spooled(features, request));
  http::Reply reply;
  reply.content_type = "application/octet-stream";
  const auto sink = codec::text_sink(&reply.body);
  TRY(features::join_file(features, join, entities->rows(), as, *sink));
  return reply;
}

}  // namespace slip::wire::native
