#include "http/parser.h"

#include <algorithm>
#include <limits>

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>

#include "base/text.h"

namespace slip::http {
namespace {

namespace bh = boost::beast::http;
using boost::beast::error_code;

boost::asio::const_buffer asio_buffer(std::string_view s) { return {s.data(), s.size()}; }

std::string_view sv(boost::beast::string_view s) { return {s.data(), s.size()}; }

// Names are tokens, so only letters have a case to lose.
void lower_in_place(std::string* block, std::string_view part) {
  char* p = block->data() + (part.data() - block->data());
  for (size_t i = 0; i < part.size(); ++i)
    if (p[i] >= 'A' && p[i] <= 'Z') p[i] = static_cast<char>(p[i] | 0x20);
}

// What both directions share: fields are checked and collected. It sees heads only.
template <bool kRequest>
class Parser : public bh::basic_parser<kRequest> {
 public:
  Parser(std::string* block, std::vector<HeaderView>* headers) : block_(block), headers_(headers) {
    this->header_limit(std::numeric_limits<uint32_t>::max());  // find_head has bounded it.
    this->body_limit(boost::none);                             // The connection bounds it.
  }
  const char* refusal() const { return refusal_; }
  bool has_host() const { return hosts_ > 0; }
  std::string_view expect() const { return expect_; }
  std::string_view host() const { return host_; }

 private:
  void refuse(const char* why, error_code& ec) {
    refusal_ = why;
    ec = bh::error::bad_value;
  }
  bool inside(std::string_view part) const {
    return part.empty() || (part.data() >= block_->data() &&
                            part.data() + part.size() <= block_->data() + block_->size());
  }
  void check_framing(bh::field field, std::string_view value, error_code& ec) {
    if (field == bh::field::host && hosts_++ > 0) refuse("http.host", ec);
    if (field == bh::field::content_length && lengths_++ > 0) refuse("http.framing", ec);
    if (field != bh::field::transfer_encoding) return;
    if (lengths_ > 0 || codings_++ > 0) {
      refuse("http.framing", ec);
    } else if (!iequals(value, "chunked")) {
      refuse("http.transfer_coding", ec);
    }
  }

  void on_field_impl(bh::field field, boost::beast::string_view raw_name,
                     boost::beast::string_view raw_value, error_code& ec) final {
    const std::string_view name = sv(raw_name);
    const std::string_view value = sv(raw_value);
    if (!inside(value)) return refuse("http.syntax", ec);  // Folded: Beast joined it elsewhere.
    if (headers_->size() == kFieldsMax) return refuse("http.header_too_large", ec);
    check_framing(field, value, ec);
    if (field == bh::field::host) host_ = value;
    if (field == bh::field::expect) expect_ = value;
    lower_in_place(block_, name);
    headers_->emplace_back(name, value);
  }
  void on_header_impl(error_code&) final {}
  void on_body_init_impl(const boost::optional<uint64_t>&, error_code&) final {}
  size_t on_body_impl(boost::beast::string_view, error_code&) final { return 0; }
  void on_chunk_header_impl(uint64_t, boost::beast::string_view, error_code&) final {}
  size_t on_chunk_body_impl(uint64_t, boost::beast::string_view, error_code&) final { return 0; }
  void on_finish_impl(error_code&) final {}

  std::string* block_;
  std::vector<HeaderView>* headers_;
  std::string_view host_;
  std::string_view expect_;
  const char* refusal_ = nullptr;
  int hosts_ = 0;
  int lengths_ = 0;
  int codings_ = 0;
};

class Incoming final : public Parser<true> {
 public:
  Incoming(std::string* block, RequestHead* head) : Parser(block, &head->headers), head_(head) {}

 private:
  void on_request_impl(bh::verb, boost::beast::string_view method, boost::beast::string_view target,
                       int version, error_code&) override {
    head_->method = sv(method);
    head_->target = sv(target);
    head_->http11 = version == 11;
  }
  void on_response_impl(int, boost::beast::string_view, int, error_code&) override {}

  RequestHead* head_;
};

class Answered final : public Parser<false> {
 public:
  Answered(std::string* block, ResponseHead* head) : Parser(block, &head->headers), head_(head) {}

 private:
  void on_request_impl(bh::verb, boost::beast::string_view, boost::beast::string_view, int,
                       error_code&) override {}
  void on_response_impl(int code, boost::beast::string_view, int, error_code&) override {
    head_->status = code;
  }

  ResponseHead* head_;
};

Error refused(const char* refusal, const error_code& ec) {
  const std::string_view reason = refusal ? refusal : "";
  if (reason == "http.transfer_coding")
    return invalid(reason, "the only transfer coding is chunked");
  if (reason == "http.header_too_large") return invalid(reason, "more than 100 header fields");
  if (reason == "http.host") return invalid(reason, "more than one Host field");
  if (ec == bh::error::bad_version) return invalid("http.version", "the version is not HTTP/1.x");
  if (reason == "http.framing" || ec == bh::error::bad_content_length ||
      ec == bh::error::multiple_content_length || ec == bh::error::bad_transfer_encoding)
    return invalid("http.framing", "the message's length is given twice or not as a number");
  return invalid("http.syntax", concat({"malformed message: ", ec.message()}));
}

template <class P>
Status put_head(P& parser, const std::string& block) {
  error_code ec;
  size_t used = 0;
  while (!ec && !parser.is_header_done() && used < block.size())
    used += parser.put(asio_buffer({block.data() + used, block.size() - used}), ec);
  if (!ec && !parser.is_header_done()) ec = bh::error::partial_message;
  if (ec) return refused(parser.refusal(), ec);
  return {};
}

// Beast has checked the syntax; what is left is to say it in our terms. Negative: not said.
template <class P>
Result<int64_t> length_of(const P& parser) {
  const auto length = parser.content_length();
  if (parser.chunked() || !length) return int64_t{-1};
  if (*length > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()))
    return invalid("http.framing", "the message's length is not a sensible number");
  return static_cast<int64_t>(*length);
}

}  // namespace

Result<size_t> find_head(std::string_view in, size_t seen) {
  const size_t from = seen > 3 ? seen - 3 : 0;
  const size_t end = in.find("\r\n\r\n", from);
  const size_t size = end == std::string_view::npos ? 0 : end + 4;
  if (size > kHeadBytesMax || (size == 0 && in.size() > kHeadBytesMax))
    return invalid("http.header_too_large", "the header is longer than 32 KiB");
  const std::string_view fresh = in.substr(from, (size ? size : in.size()) - from);
  for (size_t at = fresh.find('\n'); at != std::string_view::npos; at = fresh.find('\n', at + 1))
    if (from + at == 0 || in[from + at - 1] != '\r')
      return invalid("http.syntax", "a line ends without a carriage return");
  return size;
}

Status parse_request_head(std::string* block, RequestHead* head) {
  head->headers.clear();
  Incoming parser(block, head);
  TRY(put_head(parser, *block));
  head->host = parser.host();
  head->expect = parser.expect();
  head->chunked = parser.chunked();
  head->content_length = std::max<int64_t>(TRY(length_of(parser)), 0);
  head->has_body = head->chunked || head->content_length > 0;
  head->keep_alive = parser.keep_alive();
  if (head->chunked && !head->http11)
    return invalid("http.framing", "HTTP/1.0 has no transfer codings");
  if (head->http11 && !parser.has_host()) return invalid("http.host", "the Host field is missing");
  return {};
}

Status parse_response_head(std::string* block, ResponseHead* head) {
  head->headers.clear();
  Answered parser(block, head);
  parser.skip(true);  // Whether there is a body is for the caller to say.
  TRY(put_head(parser, *block));
  head->chunked = parser.chunked();
  head->content_length = TRY(length_of(parser));
  head->keep_alive = parser.keep_alive();
  return {};
}

}  // namespace slip::http
