#include "wire/native/datasets.h"

#include "base/text.h"
#include "codec/json.h"
#include "data/data.h"
#include "wire/native/native.h"

namespace slip::wire::native {
namespace {

using codec::Json;
using http::Reply;
using http::Request;

Json version_json(const data::Version& v) {
  Json schema = Json::array();
  for (const codec::RowColumn& c : v.columns)
    schema.push(Json::object({{"name", c.name}, {"type", c.type}, {"nullable", c.nullable}}));
  Json out = Json::object({{"name", v.dataset},
                           {"version", v.number},
                           {"uid", v.uid},
                           {"digest", v.digest},
                           {"format", codec::row_format_name(v.format)},
                           {"rows", v.rows},
                           {"bytes", v.bytes},
                           {"schema", std::move(schema)},
                           {"created_ms", v.created_ms},
                           {"created_by", v.created_by}});
  if (v.parent_number != 0) out.set("parent_version", v.parent_number);
  if (!v.message.empty()) out.set("message", v.message);
  return out;
}

Json dataset_json(const data::Dataset& d) {
  return Json::object({{"name", d.name},
                       {"uid", d.uid},
                       {"versions_count", d.versions_count},
                       {"latest_version", d.latest_version},
                       {"created_ms", d.created_ms},
                       {"updated_ms", d.updated_ms}});
}

Result<Reply> commit(const DatasetsApp& app, const Ctx& ctx, Request& request) {
  data::Data::CommitSpec spec;
  spec.name = request.param("name");
  spec.message = query_text(request, "message");
  const std::string format = query_text(request, "format");
  const auto known = codec::parse_row_format(format);
  if (!known) return invalid("dataset.format", "`format` is one of jsonl, csv, parquet");
  spec.format = *known;
  if (!request.draft) return invalid("rows.empty", "the request has no body");
  return json_reply(version_json(TRY(app.data.commit(ctx, spec, std::move(request.draft)))));
}

Result<Reply> list(const DatasetsApp& app, const Ctx& ctx, Request& request) {
  const Page page = TRY(page_of(request));
  const std::vector<data::Dataset> found = TRY(app.data.list(ctx, page.after, page.limit));
  std::vector<Json> items;
  for (const data::Dataset& d : found) items.push_back(dataset_json(d));
  const bool more = static_cast<int64_t>(found.size()) == page.limit;
  return json_reply(page_json(std::move(items), more ? found.back().name : std::string()));
}

Result<Reply> versions(const DatasetsApp& app, const Ctx& ctx, Request& request) {
  const Page page = TRY(page_of(request));
  const std::optional<int64_t> after =
      page.after.empty() ? std::optional<int64_t>(0) : parse_int(page.after);
  if (!after) return invalid("request.page_token", "this page_token is not one of this list");
  const std::vector<data::Version> found =
      TRY(app.data.versions(ctx, request.param("name"), *after, page.limit));
  std::vector<Json> items;
  for (const data::Version& v : found) items.push_back(version_json(v));
  const bool more = static_cast<int64_t>(found.size()) == page.limit;
  return json_reply(
      page_json(std::move(items), more ? std::to_string(found.back().number) : std::string()));
}

Result<data::Version> version_of(const DatasetsApp& app, const Ctx& ctx, const Request& request) {
  const int64_t number = TRY(param_int(request, "version"));
  return app.data.version(ctx, request.param("name"), number);
}

Result<Reply> content(const DatasetsApp& app, const Ctx& ctx, Request& request) {
  const data::Version v = TRY(version_of(app, ctx, request));
  Reply reply;
  reply.blob = TRY(app.data.open(v));
  reply.blob_etag = v.digest;
  switch (v.format) {
    case codec::RowFormat::kJsonl:
      reply.content_type = "application/jsonl";
      break;
    case codec::RowFormat::kCsv:
      reply.content_type = "text/csv; charset=utf-8";
      break;
    case codec::RowFormat::kParquet:
      reply.content_type = "application/vnd.apache.parquet";
      break;
  }
  reply.headers.emplace_back(
      "Content-Disposition",
      concat({"attachment; filename=\"", v.dataset, "-", std::to_string(v.number), ".",
              codec::row_format_name(v.format), "\""}));
  return reply;
}

using Handle = Result<Reply> (*)(const DatasetsApp&, const Ctx&, Request&);

http::Route row(DatasetsApp app, http::Method method, std::string_view path,
                std::string_view summary, Handle handle) {
  http::Route r;
  r.method = method;
  r.path = at(path);
  const bool reads = method == http::Method::kGet;
  r.permission = {reads ? http::Right::kRead : http::Right::kEdit, "dataset"};
  r.audit = reads ? http::Audit::kNone : http::Audit::kEvent;
  r.summary = summary;
  r.blocking = [app, handle](const Ctx& ctx, Request& request) {
    return handle(app, ctx, request);
  };
  return r;
}

}  // namespace

std::vector<http::Route> dataset_routes(DatasetsApp app) {
  using enum http::Method;
  std::vector<http::Route> out;
  out.push_back(row(app, kGet, "/datasets", "Datasets of the project.", list));
  out.push_back(row(app, kGet, "/datasets/{name}", "One dataset.",
                    [](const DatasetsApp& a, const Ctx& ctx, Request& r) -> Result<Reply> {
                      return json_reply(dataset_json(TRY(a.data.find(ctx, r.param("name")))));
                    }));
  out.push_back(row(app, kGet, "/datasets/{name}/versions", "Versions, oldest first.", versions));
  out.push_back(row(app, kPost, "/datasets/{name}/versions",
                    "Commit a file (?format=jsonl|csv|parquet) as an immutable version.", commit));
  out.back().body = http::spool(data::kFileBytesMax);
  out.push_back(row(app, kGet, "/datasets/{name}/versions/{version}", "One version: its schema.",
                    [](const DatasetsApp& a, const Ctx& ctx, Request& r) -> Result<Reply> {
                      return json_reply(version_json(TRY(version_of(a, ctx, r))));
                    }));
  out.push_back(row(app, kGet, "/datasets/{name}/versions/{version}/content",
                    "The bytes as they were given; ranges.", content));
  return out;
}

}  // namespace slip::wire::native
