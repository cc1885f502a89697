#include <array>
#include <cstdio>

#include <gtest/gtest.h>

#include "base/text.h"
#include "codec/compress.h"
#include "http/conditional.h"
#include "http/server.h"
#include "test/http/memory_blobs.h"
#include "test/http/world.h"

// Bodies in, bodies out: limits, codings, spooling, ranges, streams.
namespace slip::http {
namespace {

using testing::MemoryBlobs;
using testing::public_row;
using testing::RawClient;
using testing::simple_row;
using testing::World;

constexpr std::string_view kHost = "Host: localhost\r\n";

Route length_row(Body body) {
  return public_row(
      Method::kPost, "/length",
      [](const Ctx&, Request& request) -> Result<Reply> {
        Reply reply;
        reply.body = std::to_string(request.body.size());
        return reply;
      },
      body);
}

Route spool_row() {
  return public_row(
      Method::kPut, "/spool",
      [](const Ctx&, Request& request) -> Result<Reply> {
        Reply reply;
        const int64_t size = request.draft->size();
        const store::Digest digest = TRY(request.draft->commit());
        reply.body = concat({std::to_string(size), " ", digest.hex()});
        return reply;
      },
      spool(8 << 20));
}

std::string post(std::string_view path, std::string_view extra, std::string_view body) {
  return concat({"POST ", path, " HTTP/1.1\r\n", kHost, extra,
                 "Content-Length: ", std::to_string(body.size()), "\r\n\r\n", body});
}

std::string chunk(std::string_view bytes) {
  std::array<char, 16> size{};
  std::snprintf(size.data(), size.size(), "%zx\r\n", bytes.size());
  return concat({size.data(), bytes, "\r\n"});
}

TEST(ServerBody, LimitsHoldHoweverTheLengthIsSaid) {
  World world({length_row(memory(1000)), public_row(Method::kGet, "/none", nullptr)});
  struct Case {
    std::string_view name;
    std::string request;
    int status;
  };
  const std::string big(1001, 'x');
  const Case cases[] = {
      {"at the limit", post("/length", "", big.substr(1)), 200},
      {"one beyond", post("/length", "", big), 413},
      {"only announced",
       concat({"POST /length HTTP/1.1\r\n", kHost, "Content-Length: 9000000000000000000\r\n\r\n"}),
       413},
      {"chunked",
       concat({"POST /length HTTP/1.1\r\n", kHost, "Transfer-Encoding: chunked\r\n\r\n", chunk(big),
               "0\r\n\r\n"}),
       413},
      {"a body where none belongs",
       concat({"GET /none HTTP/1.1\r\n", kHost, "Content-Length: 1\r\n\r\nx"}), 400},
      {"chunked where none belongs",
       concat({"GET /none HTTP/1.1\r\n", kHost,
               "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"}),
       400},
      {"empty chunked where none belongs",
       concat({"GET /none HTTP/1.1\r\n", kHost, "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"}),
       200},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    RawClient client = world.client();
    client.send(c.request);
    const auto reply = client.reply();
    EXPECT_EQ(reply.status, c.status) << reply.body;
    EXPECT_EQ(reply.header("connection"), c.status == 200 ? "" : "close");
  }
}

TEST(ServerBody, ContinueIsSaidOnlyWhenTheBodyIsWanted) {
  World world({length_row(memory(1000))});
  RawClient client = world.client();
  client.send(concat(
      {"POST /length HTTP/1.1\r\n", kHost, "Content-Length: 3\r\nExpect: 100-continue\r\n\r\n"}));
  EXPECT_EQ(client.reply().status, 100);
  client.send("abc");
  EXPECT_EQ(client.reply().body, "3");
  client.send(concat({"POST /length HTTP/1.1\r\n", kHost,
                      "Content-Length: 3000\r\nExpect: 100-continue\r\n\r\n"}));
  EXPECT_EQ(client.reply().status, 413);
  RawClient other = world.client();
  other.send(post("/length", "Expect: a miracle\r\n", "abc"));
  EXPECT_EQ(other.reply().status, 417);
}

TEST(ServerBody, GzipComesInWithinTheLimit) {
  World world({length_row(memory(100'000))});
  RawClient client = world.client();
  const std::string_view gzip = "Content-Encoding: gzip\r\n";
  client.send(post("/length", gzip, codec::gzip_compress(std::string(100'000, 'x'), 6)));
  EXPECT_EQ(client.reply().body, "100000");
  // A bomb: 50 MB in 50 kB.
  const std::string bomb = codec::gzip_compress(std::string(50'000'000, 'x'), 9);
  ASSERT_LT(bomb.size(), 100'000U);
  client.send(post("/length", gzip, bomb));
  EXPECT_EQ(client.reply().status, 413);
  client.send(post("/length", gzip, "this is no gzip"));
  EXPECT_EQ(client.reply().status, 400);
  client.send(post("/length", "Content-Encoding: br\r\n", "abc"));
  EXPECT_EQ(client.reply().status, 415);
}

TEST(ServerBody, InlineRowsGetUnpackedBodiesToo) {
  Route row = simple_row("/inline", "");
  row.method = Method::kPost;
  row.body = memory(100'000);
  row.inline_ = [](const Ctx&, Request& request, Responder respond) {
    std::move(respond)(Reply{.body = std::to_string(request.body.size())});
  };
  World world({row, length_row(memory(1000))});
  RawClient client = world.client();
  const std::string packed = codec::gzip_compress(std::string(90'000, 'x'), 6);
  std::string burst;
  for (int i = 0; i < 20; ++i) {
    burst += post("/inline", "Content-Encoding: gzip\r\n", packed);
    burst += post("/inline", "", "abc");
  }
  client.send(burst);
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(client.reply().body, "90000");
    EXPECT_EQ(client.reply().body, "3");
  }
  client.send(post("/inline", "Content-Encoding: gzip\r\n", "nonsense"));
  EXPECT_EQ(client.reply().status, 400);
}

TEST(ServerBody, GzipGoesOutWhenItPaysAndIsWanted) {
  const std::string text(5000, 'y');
  const auto big = [&](const Ctx&, Request& request) -> Result<Reply> {
    Reply reply;
    reply.content_type = request.query_value("binary") ? "application/octet-stream" : "text/plain";
    reply.body = request.query_value("small") ? "small" : text;
    reply.headers.emplace_back("ETag", "\"v1\"");
    return reply;
  };
  World world({public_row(Method::kGet, "/big", big)});
  RawClient client = world.client();
  const auto packed = client.get("/big", "Accept-Encoding: gzip\r\n");
  EXPECT_EQ(packed.header("content-encoding"), "gzip");
  EXPECT_EQ(packed.header("vary"), "Accept-Encoding");
  EXPECT_EQ(packed.header("etag"), "W/\"v1\"");
  EXPECT_EQ(codec::gzip_decompress(packed.body, 10'000).value(), text);
  EXPECT_EQ(client.get("/big").body, text);
  EXPECT_EQ(client.get("/big?small=1", "Accept-Encoding: gzip\r\n").body, "small");
  EXPECT_EQ(client.get("/big?binary=1", "Accept-Encoding: gzip\r\n").body, text);
  const auto same = client.get("/big", "If-None-Match: W/\"v1\"\r\n");
  EXPECT_EQ(same.status, 304);
  EXPECT_EQ(same.header("content-length"), "");
}

TEST(ServerBody, SpoolsIntoADraft) {
  MemoryBlobs blobs;
  World world({spool_row()}, {.blobs = &blobs});
  std::string body;
  for (int i = 0; body.size() < (3 << 20); ++i) body += std::to_string(i) + ",";
  const std::string want = concat({std::to_string(body.size()), " ", codec::sha256(body).hex()});
  RawClient client = world.client();
  client.send(concat({"PUT /spool HTTP/1.1\r\n", kHost,
                      "Content-Length: ", std::to_string(body.size()), "\r\n\r\n", body}));
  EXPECT_EQ(client.reply().body, want);
  client.send(concat({"PUT /spool HTTP/1.1\r\n", kHost, "Transfer-Encoding: chunked\r\n\r\n"}));
  for (size_t at = 0; at < body.size(); at += 100'000) client.send(chunk(body.substr(at, 100'000)));
  client.send("0\r\n\r\n");
  EXPECT_EQ(client.reply().body, want);
  client.send(concat({"PUT /spool HTTP/1.1\r\n", kHost, "\r\n"}));
  EXPECT_EQ(client.reply().body, concat({"0 ", codec::sha256("").hex()}));
  EXPECT_EQ(blobs.drafts(), 0);
}

TEST(ServerBody, AHalfWrittenUploadLeavesNothing) {
  MemoryBlobs blobs;
  {
    World world({spool_row()}, {.blobs = &blobs});
    {
      RawClient client = world.client();
      client.send(concat({"PUT /spool HTTP/1.1\r\n", kHost, "Content-Length: 5000000\r\n\r\n",
                          std::string(1'000'000, 'x')}));
    }
    RawClient client = world.client();
    client.send(concat({"PUT /spool HTTP/1.1\r\n", kHost, "Content-Length: 9000000\r\n\r\n"}));
    EXPECT_EQ(client.reply().status, 413);
  }
  EXPECT_EQ(blobs.drafts(), 0);
}

TEST(ServerBody, AFullDiskIsAnAnswer) {
  MemoryBlobs blobs;
  blobs.fill_up();
  World world({spool_row()}, {.blobs = &blobs});
  RawClient client = world.client();
  client.send(concat({"PUT /spool HTTP/1.1\r\n", kHost, "Content-Length: 3000000\r\n\r\n",
                      std::string(3'000'000, 'x')}));
  const auto reply = client.reply();
  EXPECT_EQ(reply.status, 429);
  EXPECT_NE(reply.body.find("fs.full"), std::string::npos);
}

TEST(ServerBody, BlobsAnswerRanges) {
  std::string bytes;
  for (int i = 0; bytes.size() < 700'000; ++i) bytes += std::to_string(i) + " ";
  const auto shared = std::make_shared<const std::string>(bytes);
  World world({public_row(Method::kGet, "/blob", [&](const Ctx&, Request&) -> Result<Reply> {
    Reply reply;
    reply.content_type = "application/octet-stream";
    reply.blob = MemoryBlobs::reader(shared);
    reply.blob_etag = "abc";
    return reply;
  })});
  RawClient client = world.client();
  const auto whole = client.get("/blob");
  EXPECT_EQ(whole.status, 200);
  EXPECT_EQ(whole.body, bytes);
  EXPECT_EQ(whole.header("etag"), "\"abc\"");
  EXPECT_EQ(whole.header("accept-ranges"), "bytes");
  const auto part = client.get("/blob", "Range: bytes=300000-599999\r\n");
  EXPECT_EQ(part.status, 206);
  EXPECT_EQ(part.body, bytes.substr(300'000, 300'000));
  EXPECT_EQ(part.header("content-range"),
            concat({"bytes 300000-599999/", std::to_string(bytes.size())}));
  EXPECT_EQ(client.get("/blob", "Range: bytes=-7\r\n").body, bytes.substr(bytes.size() - 7));
  const auto beyond = client.get("/blob", "Range: bytes=9999999-\r\n");
  EXPECT_EQ(beyond.status, 416);
  EXPECT_EQ(beyond.header("content-range"), concat({"bytes */", std::to_string(bytes.size())}));
  EXPECT_EQ(client.get("/blob", "Range: bytes=0-3\r\nIf-Range: \"old\"\r\n").status, 200);
  EXPECT_EQ(client.get("/blob", "If-None-Match: \"abc\"\r\n").status, 304);
  client.send(concat({"HEAD /blob HTTP/1.1\r\n", kHost, "\r\n"}));
  const auto head = client.reply(true);
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.header("content-length"), std::to_string(bytes.size()));
  EXPECT_EQ(client.get("/blob", "Range: bytes=0-3\r\n").body, bytes.substr(0, 4));
}

class Pieces final : public Source {
 public:
  explicit Pieces(int fail_at) : fail_at_(fail_at) {}
  Result<size_t> read(std::span<char> out) override {
    if (n_ == fail_at_) return unavailable("test.broken", "broken");
    if (n_ == 5) return size_t{0};
    const std::string text = concat({"piece ", std::to_string(n_++), "\n"});
    return text.copy(out.data(), out.size());
  }

 private:
  int fail_at_;
  int n_ = 0;
};

TEST(ServerBody, StreamsAreChunkedAndNeverEndEarlyInSilence) {
  World world({public_row(Method::kGet, "/stream", [](const Ctx&, Request& r) -> Result<Reply> {
    Reply reply;
    const std::string* fail = r.query_value("fail");
    reply.stream = std::make_unique<Pieces>(fail ? static_cast<int>(*parse_int(*fail)) : -1);
    return reply;
  })});
  RawClient client = world.client();
  const auto all = client.get("/stream");
  EXPECT_EQ(all.header("transfer-encoding"), "chunked");
  EXPECT_EQ(all.body, "piece 0\npiece 1\npiece 2\npiece 3\npiece 4\n");
  const auto none = client.get("/stream?fail=0");
  EXPECT_EQ(none.status, 503);
  client.send(concat({"GET /stream?fail=3 HTTP/1.1\r\n", kHost, "\r\n"}));
  EXPECT_EQ(client.reply().status, 0);  // Cut: no last chunk.
  RawClient old = world.client();
  old.send("GET /stream HTTP/1.0\r\n\r\n");
  const std::string text = old.read_until("never");
  EXPECT_TRUE(text.ends_with("\r\n\r\npiece 0\npiece 1\npiece 2\npiece 3\npiece 4\n")) << text;
}

TEST(ServerBody, MemoryForBodiesIsReservedFirst) {
  World world({length_row(memory(100 << 20))}, {.budget_bytes = 8 << 20});
  RawClient client = world.client();
  client.send(concat({"POST /length HTTP/1.1\r\n", kHost, "Content-Length: 90000000\r\n\r\n"}));
  const auto reply = client.reply();
  EXPECT_EQ(reply.status, 429);
  EXPECT_EQ(reply.header("retry-after"), "1");
  RawClient small = world.client();
  small.send(post("/length", "", "abc"));
  EXPECT_EQ(small.reply().body, "3");
  EXPECT_EQ(world.budget.used(Share::kBodies), 0);
}

}  // namespace
}  // namespace slip::http
