#include "cli/remote.h"

#include <array>

#include "base/text.h"
#include "http/client.h"
#include "sys/clock.h"
#include "sys/net.h"
#include "sys/process.h"

namespace slip::cli {
namespace {

using codec::Json;

constexpr std::string_view kDefaultUrl = "http://127.0.0.1:7070";
constexpr std::string_view kRoot = "/api/slipway/v1";
constexpr std::string_view kNobody =
    "start one with slipway serve, or name it: --server URL or SLIPWAY_URL";

struct StatusRow {
  int status;
  Code code;
};
constexpr std::array kStatuses = {
    StatusRow{401, Code::kUnauthorized}, StatusRow{403, Code::kForbidden},
    StatusRow{404, Code::kNotFound},     StatusRow{408, Code::kTimeout},
    StatusRow{409, Code::kConflict},     StatusRow{412, Code::kConflict},
    StatusRow{413, Code::kExhausted},    StatusRow{429, Code::kExhausted},
    StatusRow{501, Code::kUnsupported},  StatusRow{503, Code::kUnavailable},
    StatusRow{504, Code::kTimeout},
};

Code code_of(int status) {
  for (const StatusRow& row : kStatuses)
    if (row.status == status) return row.code;
  return status < 500 ? Code::kInvalid : Code::kInternal;
}

class HttpRemote final : public Remote {
 public:
  HttpRemote(http::Client client, std::string url)
      : client_(std::move(client)), url_(std::move(url)) {}

  Result<Json> call(http::Method method, std::string_view path, const Json* body) override {
    http::Call request;
    request.method = method;
    request.target = concat({kRoot, path});
    request.headers.emplace_back("Accept", "application/json");
    if (body != nullptr) {
      request.headers.emplace_back("Content-Type", "application/json");
      request.body = codec::to_json(*body);
    }
    return send(request);
  }

  Result<Json> upload(std::string_view path, http::Source& from, int64_t bytes) override {
    http::Call request;
    request.method = http::Method::kPost;
    request.target = concat({kRoot, path});
    request.headers.emplace_back("Accept", "application/json");
    request.headers.emplace_back("Content-Type", "application/octet-stream");
    request.upload = &from;
    request.upload_bytes = bytes;
    return send(request);
  }

  Status download(std::string_view path,
                  const std::function<Status(std::string_view piece)>& on_piece) override {
    return fetch(concat({kRoot, path}), on_piece);
  }

  Status fetch(std::string_view target,
               const std::function<Status(std::string_view piece)>& on_piece) override {
    http::Call request;
    request.target = target;
    request.on_body = on_piece;
    TRY(answer(request));
    return {};
  }

  Status put(std::string_view target, http::Source& from, int64_t bytes) override {
    http::Call request;
    request.method = http::Method::kPut;
    request.target = target;
    request.headers.emplace_back("Content-Type", "application/octet-stream");
    request.upload = &from;
    request.upload_bytes = bytes;
    TRY(answer(request));
    return {};
  }

  std::string url() const override { return url_; }

  Result<std::string> raw(http::Method method, std::string_view target,
                          const std::string& body) override {
    http::Call request;
    request.method = method;
    request.target = target;
    request.body = body;
    if (!body.empty()) request.headers.emplace_back("Content-Type", "application/json");
    return answer(request);
  }

  Result<std::string> post_with(std::string_view target, const http::Header& header,
                                const std::string& body) override {
    http::Call request;
    request.method = http::Method::kPost;
    request.target = target;
    request.headers = {header, {"Content-Type", "application/json"}};
    request.body = body;
    return answer(request);
  }

 private:
  Result<std::string> answer(const http::Call& request) {
    Result<http::ClientReply> reply = client_.send(request);
    if (!reply.ok()) {
      Error error = std::move(reply).error().within(concat({"no server at ", url_}));
      if (error.hint.empty()) error.hint = kNobody;
      return error;
    }
    if (reply->status >= 400) return error_of(reply->status, reply->body);
    return std::move(reply->body);
  }

  Result<Json> send(const http::Call& request) {
    const std::string body = TRY(answer(request));
    if (body.empty()) return Json::object();
    return codec::parse_json(body);
  }

  http::Client client_;
  std::string url_;
};

std::string text_or(const Json& object, std::string_view key, std::string_view fallback) {
  const Json* value = object.find(key);
  return value != nullptr && value->is_string() ? value->as_string() : std::string(fallback);
}

}  // namespace

Error error_of(int status, std::string_view body) {
  Error error{code_of(status),
              concat({"server.status_", std::to_string(status)}),
              concat({"the server answered ", std::to_string(status)}),
              {}};
  const Result<Json> problem = codec::parse_json(body);
  if (!problem.ok() || !problem->is_object()) return error;
  // MLflow's errors have a name of their own where ours have a reason.
  const std::string name = text_or(*problem, "error_code", "");
  if (!name.empty()) {
    if (name == "RESOURCE_ALREADY_EXISTS") error.code = Code::kExists;
    if (name == "RESOURCE_DOES_NOT_EXIST") error.code = Code::kNotFound;
    error.reason = concat({"mlflow.", lower(name)});
    error.text = text_or(*problem, "message", error.text);
    return error;
  }
  error.reason = text_or(*problem, "code", error.reason);
  error.text = text_or(*problem, "detail", text_or(*problem, "title", error.text));
  error.hint = text_or(*problem, "hint", "");
  return error;
}

std::string query_of(const std::vector<std::pair<std::string_view, std::string>>& values) {
  std::string out;
  for (const auto& [name, value] : values) {
    if (value.empty()) continue;
    out += out.empty() ? "?" : "&";
    out += concat({name, "=", percent_encode(value)});
  }
  return out;
}

Result<std::string> Remote::raw(http::Method, std::string_view, const std::string&) {
  return unsupported("remote.raw", "this server takes no raw calls");
}

Result<std::string> Remote::post_with(std::string_view, const http::Header&, const std::string&) {
  return unsupported("remote.raw", "this server takes no raw calls");
}

Status Remote::download(std::string_view, const std::function<Status(std::string_view)>&) {
  return unsupported("remote.download", "this server hands out no bytes");
}

Status Remote::fetch(std::string_view, const std::function<Status(std::string_view)>&) {
  return unsupported("remote.fetch", "this server hands out no bytes");
}

Status Remote::put(std::string_view, http::Source&, int64_t) {
  return unsupported("remote.put", "this server takes no bytes");
}

Result<Json> Remote::get(std::string_view path) { return call(http::Method::kGet, path, nullptr); }

Result<Json> Remote::post(std::string_view path, const Json& body) {
  return call(http::Method::kPost, path, &body);
}

Result<Json> Remote::all(std::string_view path) {
  std::vector<Json> items;
  std::string token;
  const char* mark = path.find('?') == std::string_view::npos ? "?" : "&";
  for (int64_t page = 0; page < kPagesMax; ++page) {
    const std::string tail =
        token.empty() ? std::string() : concat({mark, "page_token=", percent_encode(token)});
    const Json answer = TRY(get(concat({path, tail})));
    const Json* found = answer.find("items");
    if (found == nullptr || !found->is_array())
      return internal("server.bad_reply",
                      concat({"the server's answer to ", path, " has no items"}));
    items.insert(items.end(), found->items().begin(), found->items().end());
    token = text_or(answer, "next_page_token", "");
    if (token.empty()) return Json::object({{"items", Json::array(std::move(items))}});
  }
  return exhausted("list.too_long", concat({path, " has more pages than one command reads"}));
}

Connect connect_by_http(Net& net, Clock& clock, Process& process) {
  return [&net, &clock, &process](const Call& call) -> Result<std::unique_ptr<Remote>> {
    const auto option_or_env = [&](std::string_view option, const char* variable) {
      return call.has(option) ? call.text(option) : process.env(variable);
    };
    http::ClientOptions options;
    options.url = option_or_env("server", "SLIPWAY_URL");
    if (options.url.empty()) options.url = kDefaultUrl;
    if (const std::string token = process.env("SLIPWAY_TOKEN"); !token.empty())
      options.headers.emplace_back("Authorization", "Bearer " + token);
    if (const std::string project = option_or_env("project", "SLIPWAY_PROJECT"); !project.empty())
      options.headers.emplace_back("X-Slipway-Project", project);
    const std::string url = options.url;
    http::Client client = TRY(http::Client::make(net, clock, std::move(options)));
    return std::unique_ptr<Remote>(std::make_unique<HttpRemote>(std::move(client), url));
  };
}

}  // namespace slip::cli
