#include <memory>

#include "base/text.h"
#include "codec/compress.h"
#include "serving/serving.h"
#include "sys/executor.h"
#include "wire/oip/calls.h"
#include "wire/oip/control.h"
#include "wire/oip/infer_json.h"
#include "wire/oip/oip.h"
#include "wire/oip/rest.h"
#include "wire/oip/turn.h"

// Infer over REST: JSON, binary tensors, raw bodies, compressed replies.
namespace slip::wire::oip {
namespace {

using http::Reply;
using http::Request;

constexpr std::string_view kJsonBytesHeader = "inference-header-content-length";
constexpr const char* kJsonBytesReplyHeader = "Inference-Header-Content-Length";
constexpr size_t kCompressBytesMin = 1 << 10;
constexpr int kCompressLevel = 1;  // Numbers gain little from more.

enum class Encoding : uint8_t { kNone, kGzip, kDeflate };

// What the client takes, as far as it names it with a weight that isn't nothing.
Encoding encoding_of(std::string_view accept) {
  Encoding out = Encoding::kNone;
  for (const std::string_view part : split(accept, ',')) {
    const size_t semicolon = part.find(';');
    const std::string_view name = trim(part.substr(0, semicolon));
    if (semicolon != part.npos) {
      const std::string_view weight = trim(part.substr(semicolon + 1));
      if (weight.starts_with("q=") && parse_double(weight.substr(2)).value_or(1) <= 0) continue;
    }
    if (iequals(name, "gzip")) return Encoding::kGzip;
    if (iequals(name, "deflate")) out = Encoding::kDeflate;
  }
  return out;
}

void compress(Encoding encoding, Reply* reply) {
  const bool gzip = encoding == Encoding::kGzip;
  reply->body = gzip ? codec::gzip_compress(reply->body, kCompressLevel)
                     : codec::zlib_compress(reply->body, kCompressLevel);
  reply->headers.emplace_back("Content-Encoding", gzip ? "gzip" : "deflate");
}

void answer(const Ctx& ctx, Result<Reply> result, http::Responder respond) {
  std::move(respond)(result.ok() ? std::move(result).value() : render_error(result.error(), ctx));
}

// What is taken from a request before it may be gone.
struct Asked {
  Target target;
  std::string client_ref;
  std::optional<size_t> json_bytes;
  Encoding encoding = Encoding::kNone;
};

Result<Asked> ask_of(const App& app, const Ctx& ctx, const Request& request) {
  Asked out;
  out.target = TRY(target_of(app, ctx, request));
  out.client_ref = request.header(kClientRefHeader);
  TRY(check_client_ref(out.client_ref));
  out.json_bytes = TRY(json_bytes_of(request.header(kJsonBytesHeader), request.body.size()));
  out.encoding = encoding_of(request.header("accept-encoding"));
  return out;
}

Result<InferRequest> parse(const App& app, const Ctx& ctx, const Asked& asked,
                           const std::string& body) {
  if (asked.json_bytes == size_t{0} && asked.target.arm->model)
    return parse_raw_infer(body, asked.target.arm->model->signature(), asked.target.route->name);
  return parse_infer(body, {.json_bytes = asked.json_bytes,
                            .regions = regions_for(app, ctx),
                            .readable_past = body.capacity() - body.size()});
}

Result<Reply> format(const Target& target, Answered& answered) {
  FormattedInfer made = TRY(format_infer(answered.reply(target), answered.outputs));
  Reply reply;
  reply.body = std::move(made.body);
  reply.headers.reserve(4);
  if (made.binary) {
    reply.content_type = "application/octet-stream";
    reply.headers.emplace_back(kJsonBytesReplyHeader, std::to_string(made.json_bytes));
  }
  reply.headers.emplace_back(kPredictionIdHeader, std::move(answered.prediction_id));
  reply.headers.emplace_back(kModelVersionHeader, std::move(answered.version));
  return reply;
}

struct Made {
  Reply reply;
  std::string record;
};

Result<Made> infer(const App& app, const Ctx& ctx, Asked& asked, const std::string& body) {
  InferRequest request = TRY(parse(app, ctx, asked, body));
  Answered answered =
      TRY(run_infer(app, ctx, asked.target, std::move(request), std::move(asked.client_ref)));
  Made made;
  made.record = std::move(answered.record);
  made.reply = TRY(format(asked.target, answered));
  return made;
}

// What a pool thread needs once the request itself is gone. Shared: std::function must copy.
struct Pending {
  Ctx ctx;
  Asked asked;
  std::string body;            // Of the request.
  std::optional<Made> made{};  // Only to be logged and compressed.
  http::Responder respond;
};

Result<Reply> finish_on_pool(const App& app, Pending& pending) {
  Made made = pending.made ? std::move(*pending.made)
                           : TRY(infer(app, pending.ctx, pending.asked, pending.body));
  if (!made.record.empty()) {
    const std::string_view record = made.record;
    TRY(app.serving.log(std::span(&record, 1), pending.asked.target.route->log_ack));
  }
  if (pending.asked.encoding != Encoding::kNone && made.reply.body.size() >= kCompressBytesMin)
    compress(pending.asked.encoding, &made.reply);
  return std::move(made.reply);
}

void go_to_pool(const App& app, std::shared_ptr<Pending> pending) {
  const Status queued = app.pool.submit([&app, pending] {
    if (pending->respond.cancelled()) return;  // The client has gone; nobody wants the answer.
    auto made = finish_on_pool(app, *pending);
    answer(pending->ctx, std::move(made), std::move(pending->respond));
  });
  if (!queued.ok()) answer(pending->ctx, queued.error(), std::move(pending->respond));
}

void handle_infer(const App& app, const Ctx& ctx, Request& request, http::Responder respond) {
  Result<Asked> asked = ask_of(app, ctx, request);
  if (!asked.ok()) return answer(ctx, asked.error(), std::move(respond));
  asked->target.may_wait = belongs_on_pool(asked->target) || request.body.size() > kInlineBodyBytes;
  if (asked->target.may_wait)
    return go_to_pool(app, std::make_shared<Pending>(Pending{.ctx = ctx,
                                                             .asked = std::move(*asked),
                                                             .body = std::move(request.body),
                                                             .made = {},
                                                             .respond = std::move(respond)}));
  Result<Made> made = infer(app, ctx, *asked, request.body);
  if (!made.ok()) return answer(ctx, made.error(), std::move(respond));
  if (asked->encoding != Encoding::kNone && made->reply.body.size() >= kCompressBytesMin)
    return go_to_pool(app, std::make_shared<Pending>(Pending{.ctx = ctx,
                                                             .asked = std::move(*asked),
                                                             .body = {},
                                                             .made = std::move(*made),
                                                             .respond = std::move(respond)}));
  if (made->record.empty()) return std::move(respond)(std::move(made->reply));
  answer_when_logged(
      app.serving, asked->target.route->log_ack,
      {std::move(made->record), RestAnswer{&ctx, std::move(respond), std::move(made->reply)}});
}

}  // namespace

std::vector<http::Route> infer_routes(App& app) {
  control_of(app);
  std::vector<http::Route> out;
  for (const std::string_view base : kModelPaths) {
    http::Route r = rest_row(http::Method::kPost, concat({base, "/infer"}), http::Right::kUse,
                             "Predict: tensors in, tensors out, as JSON or binary.");
    r.audit = http::Audit::kCounted;
    r.body = http::memory(kInferBodyBytesMax);
    r.inline_ = [&app](const Ctx& ctx, Request& request, http::Responder respond) {
      handle_infer(app, ctx, request, std::move(respond));
    };
    guard(app, &r);
    out.push_back(std::move(r));
  }
  return out;
}

}  // namespace slip::wire::oip
