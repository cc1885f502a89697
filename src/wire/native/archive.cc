#include "wire/native/archive.h"

#include "base/text.h"
#include "codec/json.h"
#include "serving/archive.h"
#include "serving/serving.h"
#include "wire/native/native.h"

namespace slip::wire::native {
namespace {

using codec::Json;
using http::Reply;
using http::Request;

Json part_json(const serving::ArchivedPart& part) {
  return Json::object({{"segment", part.segment},
                       {"digest", part.digest},
                       {"rows", part.rows},
                       {"bytes", part.bytes},
                       {"start_us", part.start_us},
                       {"end_us", part.end_us}});
}

Result<std::string> uid_of(const ArchiveApp& app, const Ctx& ctx, const Request& request) {
  return TRY(app.serving.find(ctx, request.param("name"))).uid;
}

Result<Reply> list(const ArchiveApp& app, const Ctx& ctx, const Request& request) {
  const Page page = TRY(page_of(request));
  serving::Archive::Query query;
  query.limit = page.limit;
  query.from_us = TRY(query_int(request, "from_us")).value_or(query.from_us);
  query.to_us = TRY(query_int(request, "to_us")).value_or(query.to_us);
  if (!page.after.empty()) {
    const std::optional<int64_t> after = parse_int(page.after);
    if (!after) return invalid("request.page_token", "page_token isn't one that this server gave");
    query.after_segment = *after;
  }
  std::vector<Json> items;
  int64_t last = 0;
  for (const serving::ArchivedPart& part :
       TRY(app.archive.parts(ctx, TRY(uid_of(app, ctx, request)), query))) {
    items.push_back(part_json(part));
    last = part.segment;
  }
  const bool full = static_cast<int64_t>(items.size()) == page.limit;
  return json_reply(page_json(std::move(items), full ? std::to_string(last) : ""));
}

Result<serving::ArchivedPart> part_of(const ArchiveApp& app, const Ctx& ctx,
                                      const Request& request) {
  const std::string uid = TRY(uid_of(app, ctx, request));
  return app.archive.part(ctx, uid, TRY(param_int(request, "segment")));
}

Result<Reply> content(const ArchiveApp& app, const Ctx& ctx, const Request& request) {
  const serving::ArchivedPart part = TRY(part_of(app, ctx, request));
  Reply reply;
  reply.content_type = "application/vnd.apache.parquet";
  reply.blob = TRY(app.archive.open(part));
  reply.blob_etag = part.digest;
  reply.headers.emplace_back("Content-Disposition",
                             concat({"attachment; filename=\"", request.param("name"), "-",
                                     std::to_string(part.segment), ".parquet\""}));
  return reply;
}

using Handle = Result<Reply> (*)(const ArchiveApp&, const Ctx&, const Request&);

http::Route row(ArchiveApp app, std::string_view path, std::string_view summary, Handle handle) {
  http::Route r;
  r.method = http::Method::kGet;
  r.path = at(path);
  r.permission = {http::Right::kRead, "deployment"};
  r.audit = http::Audit::kNone;
  r.summary = summary;
  r.blocking = [app, handle](const Ctx& ctx, Request& request) {
    return handle(app, ctx, request);
  };
  r.needs = [app](const Ctx& ctx, const Request& request) -> Result<std::vector<http::Need>> {
    return http::one_need(http::Right::kRead, "deployment", TRY(uid_of(app, ctx, request)));
  };
  return r;
}

}  // namespace

std::vector<http::Route> archive_routes(ArchiveApp app) {
  std::vector<http::Route> out;
  out.push_back(row(app, "/deployments/{name}/parts",
                    "Logged predictions as Parquet, a part for each segment of the log, oldest"
                    " first: ?from_us, to_us, limit.",
                    list));
  out.push_back(row(app, "/deployments/{name}/parts/{segment}", "One part: rows, times, digest.",
                    [](const ArchiveApp& a, const Ctx& ctx, const Request& r) -> Result<Reply> {
                      return json_reply(part_json(TRY(part_of(a, ctx, r))));
                    }));
  out.push_back(row(app, "/deployments/{name}/parts/{segment}/content",
                    "The Parquet file of a part; ranges are served.", content));
  return out;
}

}  // namespace slip::wire::native
