#include "store/redis.h"

#include <algorithm>
#include <array>

#include <hiredis/hiredis.h>

#include "base/text.h"
#include "sys/clock.h"
#include "sys/net.h"

namespace slip::store {
namespace {

constexpr size_t kPieceBytes = 64 << 10;
constexpr int64_t kPauseFirstMs = 50;
constexpr int64_t kPauseMaxMs = 1000;
constexpr size_t kOrphansMax = 16;

// Error replies after which the same connection says nothing better: it led to a server that is
// starting, or that no longer leads.
bool worth_another(std::string_view text) {
  for (const std::string_view word : {"LOADING", "MASTERDOWN", "READONLY", "NOAUTH"})
    if (text.starts_with(word)) return true;
  return false;
}

RedisReply reply_of(const redisReply& raw) {
  RedisReply out;
  switch (raw.type) {
    case REDIS_REPLY_STRING:
    case REDIS_REPLY_STATUS:
      out.kind = RedisReply::Kind::kText;
      out.text.assign(raw.str, static_cast<size_t>(raw.len));
      break;
    case REDIS_REPLY_ERROR:
      out.kind = RedisReply::Kind::kError;
      out.text.assign(raw.str, static_cast<size_t>(raw.len));
      break;
    case REDIS_REPLY_INTEGER:
      out.kind = RedisReply::Kind::kInteger;
      out.integer = raw.integer;
      break;
    case REDIS_REPLY_ARRAY:
      out.kind = RedisReply::Kind::kList;
      out.items.reserve(raw.elements);
      for (size_t i = 0; i < raw.elements; ++i) out.items.push_back(reply_of(*raw.element[i]));
      break;
    default:
      break;
  }
  return out;
}

struct FreeReader {
  void operator()(redisReader* r) const { redisReaderFree(r); }
};
struct FreeReply {
  void operator()(void* r) const { freeReplyObject(r); }
};

Error bad_url(std::string_view why) {
  return invalid("redis.url", concat({"the URL of Redis ", why}))
      .with_hint("redis://[[user]:password@]host[:port][/db], or rediss:// over TLS");
}

}  // namespace

std::string RedisUrl::shown() const {
  const bool v6 = host.find(':') != std::string::npos;
  return concat({tls ? "rediss://" : "redis://", v6 ? "[" : "", host, v6 ? "]" : "", ":",
                 std::to_string(port), "/", std::to_string(db)});
}

Result<RedisUrl> parse_redis_url(std::string_view text) {
  RedisUrl out;
  std::string_view rest = text;
  if (rest.starts_with("rediss://")) {
    out.tls = true;
    rest.remove_prefix(9);
  } else if (rest.starts_with("redis://")) {
    rest.remove_prefix(8);
  } else {
    return bad_url("begins with redis:// or rediss://");
  }
  if (const size_t at = rest.rfind('@'); at != rest.npos) {
    const std::string_view who = rest.substr(0, at);
    rest.remove_prefix(at + 1);
    const size_t colon = who.find(':');
    if (colon == who.npos) return bad_url("has a user without a password");
    const auto user = percent_decode(who.substr(0, colon), false);
    const auto password = percent_decode(who.substr(colon + 1), false);
    if (!user || !password) return bad_url("has a user or password that isn't percent-encoded");
    out.user = *user;
    out.password = *password;
  }
  const size_t slash = std::min(rest.find('/'), rest.size());
  const std::string_view authority = rest.substr(0, slash);
  const std::string_view path = rest.substr(std::min(slash + 1, rest.size()));
  if (!path.empty()) {
    const auto db = parse_int(path);
    if (!db || *db < 0 || *db > INT32_MAX) return bad_url("names its database by a number");
    out.db = *db;
  }
  const bool v6 = authority.starts_with('[');
  const size_t close = v6 ? authority.find(']') : 0;
  if (close == authority.npos) return bad_url("has a '[' without ']'");
  const size_t colon = std::min(authority.find(':', close), authority.size());
  out.host = v6 ? authority.substr(1, close - 1) : authority.substr(0, colon);
  if (colon < authority.size()) {
    const auto port = parse_int(authority.substr(colon + 1));
    if (!port || *port < 1 || *port > 65535) return bad_url("has no valid port");
    out.port = static_cast<uint16_t>(*port);
  }
  if (out.host.empty()) return bad_url("has no host");
  return out;
}

void RedisCommands::add(std::span<const std::string_view> words) {
  bytes_ += concat({"*", std::to_string(words.size()), "\r\n"});
  for (const std::string_view word : words) {
    bytes_ += concat({"$", std::to_string(word.size()), "\r\n"});
    bytes_.append(word);
    bytes_ += "\r\n";
  }
  ++count_;
}

// ---- one connection

class Redis::Link {
 public:
  Link(std::unique_ptr<Conn> conn, Clock& clock)
      : conn_(std::move(conn)), clock_(clock), reader_(redisReaderCreate()) {}

  Result<std::vector<RedisReply>> exchange(const RedisCommands& commands, int64_t timeout_ms) {
    const int64_t deadline_ns = clock_.steady_ns() + timeout_ms * 1'000'000;
    TRY(conn_->write(commands.bytes(), deadline_ns));
    std::vector<RedisReply> out;
    out.reserve(commands.size());
    size_t bytes = 0;
    while (out.size() < commands.size()) {
      void* raw = nullptr;
      if (redisReaderGetReply(reader_.get(), &raw) != REDIS_OK)
        return unavailable("redis.protocol", "the other side doesn't speak the protocol of Redis");
      if (raw != nullptr) {
        const std::unique_ptr<void, FreeReply> reply(raw);
        out.push_back(reply_of(*static_cast<const redisReply*>(raw)));
        continue;
      }
      std::array<char, kPieceBytes> piece;
      const size_t n = TRY(conn_->read(piece, deadline_ns));
      if (n == 0) return unavailable("net.closed", "the server closed the connection");
      bytes += n;
      if (bytes > kRedisReplyBytesMax) return unavailable("redis.protocol", "a reply is too large");
      if (redisReaderFeed(reader_.get(), piece.data(), n) != REDIS_OK)
        return unavailable("redis.protocol", "a reply can't be read");
    }
    if (reader_->pos != reader_->len)  // Whose reply is that?
      return unavailable("redis.protocol", "the other side says more than it was asked");
    return out;
  }

  int64_t id = 0;  // The server's number of it; 0: it didn't say.

 private:
  std::unique_ptr<Conn> conn_;
  Clock& clock_;
  std::unique_ptr<redisReader, FreeReader> reader_;
};

// ---- the pool

Redis::Redis(Deps deps, Options options) : deps_(deps), options_(std::move(options)) {}
Redis::~Redis() = default;

Error Redis::unreachable(const Error& why) const {
  const bool protocol = why.reason == "redis.protocol" || why.reason == "redis.refused";
  return unavailable(protocol ? why.reason : "redis.unavailable",
                     concat({options_.url.shown(), ": ", why.text}));
}

bool Redis::pausing() const {
  const sys::Lock lock(mutex_);
  return deps_.clock.steady_ns() < paused_until_ns_;
}

// A proxy may repeat what it was asked: of an answer to AUTH only the first word is told.
std::string said_by(bool to_auth, const std::string& text) {
  return to_auth ? concat({text.substr(0, text.find(' ')), " to AUTH"}) : text;
}

// Who I am, which database; what a lost connection may still have before the server goes.
Status Redis::greet(Link& link) {
  RedisCommands hello;
  const RedisUrl& url = options_.url;
  if (!url.user.empty())
    hello.add({"AUTH", url.user, url.password});
  else if (!url.password.empty())
    hello.add({"AUTH", url.password});
  if (url.db != 0) hello.add({"SELECT", std::to_string(url.db)});
  const bool asks_who = !url.password.empty();
  const size_t needed = hello.size();
  hello.add({"CLIENT", "SETNAME", "slipway"});
  hello.add({"CLIENT", "ID"});
  std::vector<int64_t> orphans;
  {
    const sys::Lock lock(mutex_);
    orphans = orphans_;
  }
  for (const int64_t orphan : orphans) hello.add({"CLIENT", "KILL", "ID", std::to_string(orphan)});
  const std::vector<RedisReply> replies = TRY(link.exchange(hello, options_.timeout_ms));
  for (size_t i = 0; i < needed; ++i)
    if (replies[i].kind == RedisReply::Kind::kError)
      return unavailable("redis.refused", said_by(i == 0 && asks_who, replies[i].text));
  const RedisReply& id = replies[needed + 1];  // A proxy may not know of it.
  if (id.kind == RedisReply::Kind::kInteger) link.id = id.integer;
  const sys::Lock lock(mutex_);
  orphans_.clear();
  return {};
}

Result<std::unique_ptr<Redis::Link>> Redis::dial() {
  const int64_t deadline_ns = deps_.clock.steady_ns() + options_.timeout_ms * 1'000'000;
  const std::vector<Address> all = TRY(deps_.net.resolve(options_.url.host, options_.url.port));
  Status last = unavailable("net.unknown_host", concat({options_.url.host, " has no address"}));
  for (const Address& address : all) {
    Result<std::unique_ptr<Conn>> conn = deps_.net.dial(address, deadline_ns);
    if (!conn.ok()) {
      last = std::move(conn).error();
      continue;
    }
    auto link = std::make_unique<Link>(std::move(*conn), deps_.clock);
    TRY(greet(*link));
    counts_.connects.fetch_add(1, std::memory_order_relaxed);
    return link;
  }
  return std::move(last).error();
}

Result<std::unique_ptr<Redis::Link>> Redis::borrow(bool* kept) {
  {
    sys::Lock lock(mutex_);
    const int64_t until_ns = deps_.clock.steady_ns() + options_.timeout_ms * 1'000'000;
    while (idle_.empty() && open_ >= options_.connections)
      if (!freed_.wait_until(lock, until_ns))
        return unavailable("redis.unavailable", "every connection to Redis is busy");
    if (!idle_.empty()) {
      std::unique_ptr<Link> out = std::move(idle_.back());
      idle_.pop_back();
      *kept = true;
      return out;
    }
    if (deps_.clock.steady_ns() < paused_until_ns_)
      return unavailable("redis.unavailable", "it did not answer, and is asked again soon");
    ++open_;
  }
  *kept = false;
  Result<std::unique_ptr<Link>> made = dial();
  if (!made.ok()) lost(nullptr, false);
  return made;
}

void Redis::give_back(std::unique_ptr<Link> link) {
  {
    const sys::Lock lock(mutex_);
    idle_.push_back(std::move(link));
    pause_ms_ = 0;
  }
  freed_.notify_one();
}

// A connection that was kept may have ended while nobody looked: that says nothing about the
// server, but all others that were kept will be like it.
void Redis::lost(const Link* link, bool kept) {
  std::vector<std::unique_ptr<Link>> dead;
  {
    const sys::Lock lock(mutex_);
    --open_;
    if (link != nullptr && options_.ordered && link->id != 0 && orphans_.size() < kOrphansMax)
      orphans_.push_back(link->id);
    open_ -= idle_.size();
    dead.swap(idle_);
    if (!kept) {
      pause_ms_ = std::clamp(2 * pause_ms_, kPauseFirstMs, kPauseMaxMs);
      paused_until_ns_ = deps_.clock.steady_ns() + pause_ms_ * 1'000'000;
    }
  }
  freed_.notify_all();
}

Result<std::vector<RedisReply>> Redis::run(const RedisCommands& commands, Types types) {
  if (commands.size() == 0) return std::vector<RedisReply>();
  for (;;) {
    bool kept = false;
    Result<std::unique_ptr<Link>> link = borrow(&kept);
    if (!link.ok()) {
      counts_.failures.fetch_add(1, std::memory_order_relaxed);
      return unreachable(link.error());
    }
    Result<std::vector<RedisReply>> replies = (*link)->exchange(commands, options_.timeout_ms);
    if (!replies.ok()) {
      const bool again = kept && replies.error().code != Code::kTimeout;
      lost(link->get(), again);
      if (again) continue;
      counts_.failures.fetch_add(1, std::memory_order_relaxed);
      return unreachable(replies.error());
    }
    const auto bad = std::find_if(replies->begin(), replies->end(), [&](const RedisReply& r) {
      return r.is_error() && (types == Types::kRight || !r.text.starts_with("WRONGTYPE"));
    });
    if (bad == replies->end()) {
      give_back(std::move(*link));
      return replies;
    }
    counts_.failures.fetch_add(1, std::memory_order_relaxed);
    const Error refused = unavailable("redis.refused", bad->text);
    if (worth_another(bad->text))
      lost(link->get(), false);
    else
      give_back(std::move(*link));
    return unreachable(refused);
  }
}

}  // namespace slip::store
