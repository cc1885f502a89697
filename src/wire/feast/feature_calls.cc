#include "wire/feast/feature_calls.h"

#include "base/text.h"
#include "wire/feast/objects.h"

namespace slip::wire::feast {

using features::Features;

namespace {

std::string plan_key(const OnlineAsk& ask) {
  std::string out = ask.full_names ? "f" : "s";
  if (!ask.service.empty()) return concat({out, "\n", ask.service});
  for (const std::string_view reference : ask.references) {
    out += "\n:";
    out += reference;
  }
  return out;
}

}  // namespace

Result<std::shared_ptr<const features::ReadPlan>> plan_for(Features& features, const Ctx& ctx,
                                                           const OnlineAsk& ask) {
  return features.cached_plan(
      ctx, plan_key(ask), [&](const features::Shelf& shelf) -> Result<features::ReadPlan> {
        if (!ask.service.empty())
          return features::plan_service(shelf, std::string(ask.service), 0, ask.full_names);
        if (ask.references.empty())
          return invalid("feature.request", "features, or feature_service, is wanted");
        const std::vector<std::string> references(ask.references.begin(), ask.references.end());
        return features::plan_read(shelf, TRY(features::items_of(references)), ask.full_names);
      });
}

Result<features::To> to_of(const std::string& text) {
  if (text == "online") return features::To::kOnline;
  if (text == "offline") return features::To::kOffline;
  if (text == "online_and_offline") return features::To::kBoth;
  return invalid("feature.request", "to: online, offline or online_and_offline is wanted");
}

Status push_rows(Features& features, const Ctx& ctx, const std::string& push_source,
                 features::To to, const MakeBatch& make) {
  const Result<features::Source> source = features.source_for(ctx, push_source, "");
  if (!source.ok())
    return not_found("push_source.not_found",
                     concat({"Unable to find push source '", push_source, "'."}));
  features::Batch batch = TRY(make(*source));
  batch.source = push_source;
  batch.to = to;
  TRY(features.push(ctx, std::move(batch)));
  return {};
}

Status write_rows(Features& features, const Ctx& ctx, const std::string& view,
                  const MakeBatch& make) {
  const auto shelf = features.catalog().shelf(ctx.project.text);
  const bool whole = !shelf->view(view) && view.ends_with(kEventsSuffix);
  const std::string of = whole ? source_meant(*shelf, view) : "";
  const features::Source source = TRY(features.source_for(ctx, of, of.empty() ? view : ""));
  features::Batch batch = TRY(make(source));
  (of.empty() ? batch.view : batch.source) = of.empty() ? view : of;
  batch.to = features::To::kOnline;
  TRY(features.push(ctx, std::move(batch)));
  return {};
}

}  // namespace slip::wire::feast
