#include "wire/native/datasets.h"

#include "base/text.h"
#include "data/data.h"
#include "wire/native/native.h"

namespace slip::wire::native {
namespace {

using codec::Json;

constexpr int64_t kDatasetBytesMax = int64_t{64} << 30;

Json schema_json(const std::vector<codec::Field>& schema) {
  Json out = Json::array();
  for (const codec::Field& f : schema)
    out.push(Json::object({{"name", f.name}, {"type", f.type_name}, {"nullable", f.nullable}}));
  return out;
}

Json version_json(const data::Version& v) {
  Json out = Json::object({{"name", v.dataset},
                           {"version", v.number},
                           {"uid", v.uid},
                           {"digest", v.digest},
                           {"root", v.root},
                           {"format", codec::format_name(v.format)},
                           {"rows", v.rows},
                           {"bytes", v.bytes},
                           {"schema", schema_json(v.columns)},
                           {"created_ms", v.created_ms},
                           {"created_by", v.created_by}});
  if (v.parent_number > 0) out.set("parent_version", v.parent_number);
  if (!v.message.empty()) out.set("message", v.message);
  return out;
}

// In lists with what the latest version is.
Json dataset_json(const data::Dataset& d) {
  Json out = Json::object({{"name", d.name},
                           {"uid", d.uid},
                           {"versions_count", d.versions_count},
                           {"latest_version", d.latest_version},
                           {"created_ms", d.created_ms},
                           {"updated_ms", d.updated_ms}});
  if (!d.latest) return out;
  out.set("format", codec::format_name(d.latest->format));
  out.set("rows", d.latest->rows);
  out.set("bytes", d.latest->bytes);
  out.set("digest", d.latest->digest);
  return out;
}

std::string_view content_type(codec::Format format) {
  switch (format) {
    case codec::Format::kParquet:
      return "application/vnd.apache.parquet";
    case codec::Format::kCsv:
      return "text/csv; charset=utf-8";
    case codec::Format::kJsonl:
      return "application/jsonl";
    case codec::Format::kArrow:
      return "application/vnd.apache.arrow.stream";
  }
  return "application/octet-stream";
}

Result<http::Reply> commit(const DatasetsApp& app, const Ctx& ctx, http::Request& request) {
  const std::string format = query_text(request, "format");
  if (format.empty())
    return invalid("request.missing_field", "?format= is missing: parquet, csv, jsonl or arrow");
  data::Data::CommitSpec spec;
  spec.name = request.param("name");
  spec.format = TRY(codec::parse_format(format));
  spec.message = query_text(request, "message");
  if (!request.draft) return invalid("dataset.empty", "the request has no body");
  return json_reply(version_json(TRY(app.data.commit(ctx, spec, std::move(request.draft)))));
}

Result<http::Reply> list(const DatasetsApp& app, const Ctx& ctx, http::Request& request) {
  const Page page = TRY(page_of(request));
  std::vector<Json> items;
  std::string last;
  for (const data::Dataset& d : TRY(app.data.list(ctx, page.after, page.limit))) {
    items.push_back(dataset_json(d));
    last = d.name;
  }
  const bool full = static_cast<int64_t>(items.size()) == page.limit;
  return json_reply(page_json(std::move(items), full ? last : ""));
}

Result<http::Reply> versions(const DatasetsApp& app, const Ctx& ctx, http::Request& request) {
  const Page page = TRY(page_of(request));
  const std::optional<int64_t> after =
      page.after.empty() ? std::optional<int64_t>(0) : parse_int(page.after);
  if (!after) return invalid("request.page_token", "page_token isn't one that this server gave");
  std::vector<Json> items;
  int64_t last = 0;
  for (const data::Version& v :
       TRY(app.data.versions(ctx, request.param("name"), *after, page.limit))) {
    items.push_back(version_json(v));
    last = v.number;
  }
  const bool full = static_cast<int64_t>(items.size()) == page.limit;
  return json_reply(page_json(std::move(items), full ? std::to_string(last) : ""));
}

Result<data::Version> version_of(const DatasetsApp& app, const Ctx& ctx,
                                 const http::Request& request) {
  return app.data.version(ctx, request.param("name"), TRY(param_int(request, "version")));
}

Result<http::Reply> content(const DatasetsApp& app, const Ctx& ctx, http::Request& request) {
  const data::Version v = TRY(version_of(app, ctx, request));
  http::Reply reply;
  reply.content_type = content_type(v.format);
  reply.blob = TRY(app.data.open(v));
  reply.blob_etag = v.digest;
  reply.headers.emplace_back("Content-Disposition", concat({"attachment; filename=\"", v.dataset,
                                                            "-", std::to_string(v.number), ".",
                                                            codec::format_name(v.format), "\""}));
  return reply;
}

using Needs = std::vector<http::Need>;

Result<Needs> needs(const DatasetsApp& app, const Ctx& ctx, http::Right right,
                    const http::Request& request) {
  return http::one_need(right, "dataset", TRY(app.data.find(ctx, request.param("name"))).uid);
}

// The dataset that gets a version, or the right to make it.
Result<Needs> commit_needs(const DatasetsApp& app, const Ctx& ctx, const http::Request& request) {
  Result<Needs> known = needs(app, ctx, http::Right::kEdit, request);
  if (known.ok() || known.error().code != Code::kNotFound) return known;
  Needs out;
  out.push_back({.right = http::Right::kEdit, .kind = "dataset", .uid = {}, .is_new = true});
  return out;
}

using Handler = Result<http::Reply> (*)(const DatasetsApp&, const Ctx&, http::Request&);

http::Route read_row(const DatasetsApp& app, std::string_view path, Handler handler,
                     std::string_view summary) {
  http::Route row;
  row.method = http::Method::kGet;
  row.path = at(path);
  row.permission = {http::Right::kRead, "dataset"};
  row.audit = http::Audit::kNone;
  row.summary = summary;
  row.blocking = [app, handler](const Ctx& ctx, http::Request& request) {
    return handler(app, ctx, request);
  };
  row.needs = [app](const Ctx& ctx, const http::Request& request) {
    return needs(app, ctx, http::Right::kRead, request);
  };
  return row;
}

}  // namespace

std::vector<http::Route> dataset_routes(DatasetsApp app) {
  std::vector<http::Route> out;
  out.push_back(read_row(app, "/datasets", list, "Datasets of the project, by name."));
  out.back().permission.on = http::On::kList;
  out.push_back(read_row(
      app, "/datasets/{name}",
      [](const DatasetsApp& a, const Ctx& ctx, http::Request& request) -> Result<http::Reply> {
        return json_reply(dataset_json(TRY(a.data.find(ctx, request.param("name")))));
      },
      "One dataset."));
  out.push_back(read_row(app, "/datasets/{name}/versions", versions, "Versions, oldest first."));
  out.push_back(read_row(
      app, "/datasets/{name}/versions/{version}",
      [](const DatasetsApp& a, const Ctx& ctx, http::Request& request) -> Result<http::Reply> {
        return json_reply(version_json(TRY(version_of(a, ctx, request))));
      },
      "One version: schema, row count, digest."));
  out.push_back(read_row(app, "/datasets/{name}/versions/{version}/content", content,
                         "The bytes as they were committed; ranges are served."));
  http::Route post;
  post.method = http::Method::kPost;
  post.path = at("/datasets/{name}/versions");
  post.permission = {http::Right::kEdit, "dataset"};
  post.audit = http::Audit::kEvent;
  post.body = http::spool(kDatasetBytesMax);
  post.summary =
      "Commits a file as the next version: ?format=parquet|csv|jsonl|arrow, ?message=. The same"
      " content again answers the version that has it.";
  post.blocking = [app](const Ctx& ctx, http::Request& request) {
    return commit(app, ctx, request);
  };
  post.needs = [app](const Ctx& ctx, const http::Request& request) {
    return commit_needs(app, ctx, request);
  };
  out.push_back(std::move(post));
  return out;
}

}  // namespace slip::wire::native
