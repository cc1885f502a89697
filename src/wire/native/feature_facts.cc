#include "wire/native/feature_facts.h"

#include "base/text.h"
#include "wire/native/native.h"

namespace slip::wire::native {
namespace {

using codec::Json;

Json spread_json(const features::Spread& s) {
  Json out = Json::object({{"count", s.count()}, {"sum_s", s.sum_s()}, {"max_us", s.max_us()}});
  for (const auto& [name, q] : {std::pair("p50_us", 0.5), std::pair("p99_us", 0.99)})
    if (const std::optional<int64_t> at = s.at(q)) out.set(name, *at);
  return out;
}

// By what the cell is: the report's readers know their features' types.
Json json_of(const features::Cell& cell) {
  using engine::Type;
  constexpr Type kTypes[] = {Type::kInt64, Type::kBool, Type::kInt64, Type::kDouble, Type::kText};
  constexpr Type kItems[] = {Type::kInt64, Type::kDouble, Type::kText};
  features::FeatureType type;
  if (cell.index() < std::size(kTypes)) {
    type.type = kTypes[cell.index()];
  } else {
    type.type = Type::kList;
    type.item = kItems[cell.index() - std::size(kTypes)];
  }
  return features::json_of_cell(cell, type);
}

Json report_json(const std::string& service, const features::VerifyReport& r) {
  Json parity = Json::array();
  for (const features::FeatureParity& f : r.features) {
    Json differ = Json::object();
    for (const auto& [cause, n] : f.differ) differ.set(features::cause_name(cause), n);
    Json one = Json::object(
        {{"feature", f.feature}, {"view", f.view}, {"values", f.values}, {"equal", f.equal}});
    one.set("differ", std::move(differ));
    parity.push(std::move(one));
  }
  Json examples = Json::array();
  for (const features::Difference& d : r.examples) {
    Json keys = Json::object();
    for (const auto& [name, cell] : d.keys) keys.set(name, json_of(cell));
    Json one = Json::object({{"feature", d.feature},
                             {"cause", features::cause_name(d.cause)},
                             {"served_us", d.served_us},
                             {"service_version", d.service_version}});
    one.set("keys", std::move(keys));
    one.set("served", json_of(d.served));
    one.set("replayed", json_of(d.replayed));
    examples.push(std::move(one));
  }
  Json out = Json::object({{"service", service},
                           {"holds", r.broken == 0},
                           {"vectors", r.vectors},
                           {"unsettled", r.unsettled},
                           {"redefined", r.redefined},
                           {"values", r.values},
                           {"equal", r.equal},
                           {"broken", r.broken},
                           {"oldest_us", r.oldest_us},
                           {"newest_us", r.newest_us}});
  out.set("features", std::move(parity));
  out.set("examples", std::move(examples));
  return out;
}

}  // namespace

Json freshness_json(const features::Features& features, const features::Shelf& shelf,
                    const features::CompiledView& view) {
  const features::ViewClocks& c = *view.clocks;
  const int64_t event_us = features.newest_event_us(view);
  Json out = Json::object({{"event_us", event_us},
                           {"received_us", c.newest_received_us.load()},
                           {"visible_us", c.newest_visible_us.load()}});
  if (event_us != 0) out.set("age_us", features.now_us() - event_us);
  const auto contract = shelf.contracts.find(view.source_name);
  if (contract != shelf.contracts.end() && contract->second.freshness_us) {
    const int64_t sla_us = *contract->second.freshness_us;
    out.set("sla_us", sla_us);
    out.set("within_sla", event_us != 0 && features.now_us() - event_us <= sla_us);
  }
  out.set("lateness", spread_json(c.lateness));
  out.set("lag", spread_json(c.lag));
  out.set("age_at_serve", spread_json(c.age));
  Json served = Json::object();
  for (size_t i = 0; i < c.served.size(); ++i)
    served.set(features::read_status_name(static_cast<features::ReadStatus>(i)),
               c.served[i].load());
  out.set("served", std::move(served));
  return out;
}

Result<http::Reply> verify_service(features::Features& features, const Ctx& ctx,
                                   http::Request& request) {
  const Json body = TRY(body_object(request));
  features::VerifyWanted wanted;
  wanted.service = request.param("name");
  const std::string since = TRY(codec::string_or(body, "since", ""));
  const std::string until = TRY(codec::string_or(body, "until", ""));
  if (!since.empty()) wanted.since_us = TRY(features.moment(since));
  if (!until.empty()) wanted.until_us = TRY(features.moment(until));
  wanted.limit = TRY(codec::int_or(body, "limit", wanted.limit));
  const features::VerifyReport report = TRY(features.verify(ctx, wanted));
  return json_reply(report_json(wanted.service, report));
}

Result<http::Reply> erase_entity(features::Features& features, const Ctx& ctx,
                                 http::Request& request) {
  const Json body = TRY(body_object(request));
  const Json* keys = body.find("keys");
  if (keys == nullptr || !keys->is_object())
    return invalid("request.missing_field", "`keys` ({name: value}) is wanted");
  features::Erasing what;
  for (const auto& [name, value] : keys->members()) what.keys.emplace_back(name, value);
  what.reason = TRY(codec::string_or(body, "reason", ""));
  what.dry_run = TRY(codec::bool_or(body, "dry_run", false));
  const features::Erased done = TRY(features.erase(ctx, what));
  Json sources = Json::array();
  for (const std::string& s : done.sources) sources.push(s);
  Json out = Json::object({{"dry_run", what.dry_run},
                           {"rows", done.rows},
                           {"entities", done.entities},
                           {"vectors", done.vectors},
                           {"quarantined", done.quarantined}});
  out.set("sources", std::move(sources));
  return json_reply(out);
}

}  // namespace slip::wire::native
