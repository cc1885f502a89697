#include "test/fake/redis.h"

#include <algorithm>

namespace slip::test {
namespace {

std::string bulk(const std::string& text) {
  return "$" + std::to_string(text.size()) + "\r\n" + text + "\r\n";
}

std::string integer(int64_t n) { return ":" + std::to_string(n) + "\r\n"; }

std::string list(const std::vector<std::string>& items) {
  std::string out = "*" + std::to_string(items.size()) + "\r\n";
  for (const std::string& one : items) out += one;
  return out;
}

// Of patterns: stars, and what is escaped.
bool matches(std::string_view pattern, std::string_view key) {
  if (pattern.empty()) return key.empty();
  if (pattern[0] == '*') {
    for (size_t i = 0; i <= key.size(); ++i)
      if (matches(pattern.substr(1), key.substr(i))) return true;
    return false;
  }
  if (pattern[0] == '\\') pattern.remove_prefix(1);
  return !key.empty() && !pattern.empty() && key[0] == pattern[0] &&
         matches(pattern.substr(1), key.substr(1));
}

}  // namespace

class FakeRedis::End final : public Conn {
 public:
  End(FakeRedis& of, int64_t id) : of_(of), id_(id), epoch_(of.epoch_) {}
  Result<size_t> read(std::span<char> out, int64_t) override {
    const sys::Lock lock(of_.mutex_);
    if (out_.empty() && !cut_ && epoch_ == of_.epoch_)
      return Error{Code::kTimeout, "net.timeout", "nothing comes", ""};
    if (out_.empty() || epoch_ != of_.epoch_) return size_t{0};
    const size_t n = std::min({out.size(), out_.size(), size_t{1000}});
    std::copy_n(out_.data(), n, out.data());
    out_.erase(0, n);
    return n;
  }
  Status write(std::string_view bytes, int64_t) override {
    if (of_.on_write) of_.on_write(bytes);
    const sys::Lock lock(of_.mutex_);
    if (cut_ || epoch_ != of_.epoch_) return Error{Code::kUnavailable, "net.closed", "closed", ""};
    in_.append(bytes);
    Words words;
    while (!cut_ && take(&words)) {
      std::string said = of_.execute(words, id_);
      if (of_.left_ > 0 && --of_.left_ == 0) {
        cut_ = true;
        of_.up_ = of_.up_ && !of_.goes_;
        break;
      }
      out_ += of_.raw_.empty() ? said : of_.raw_;
    }
    return {};
  }

 private:
  bool number(char kind, size_t* at, int64_t* out) const {
    const size_t end = in_.find("\r\n", *at);
    if (end == std::string::npos || in_[*at] != kind) return false;
    *out = std::stoll(in_.substr(*at + 1, end - *at - 1));
    *at = end + 2;
    return true;
  }
  bool take(Words* out) {
    size_t at = 0;
    int64_t words = 0;
    if (in_.empty() || !number('*', &at, &words)) return false;
    out->clear();
    for (int64_t i = 0; i < words; ++i) {
      int64_t size = 0;
      if (at >= in_.size() || !number('$', &at, &size)) return false;
      const auto n = static_cast<size_t>(size);
      if (in_.size() < at + n + 2) return false;
      out->push_back(in_.substr(at, n));
      at += n + 2;
    }
    in_.erase(0, at);
    return true;
  }

  FakeRedis& of_;
  const int64_t id_;
  const int64_t epoch_;
  bool cut_ = false;
  std::string in_;
  std::string out_;
};

Result<std::unique_ptr<Conn>> FakeRedis::dial(const Address&, int64_t) {
  const sys::Lock lock(mutex_);
  ++dials_;
  if (!up_) return Error{Code::kUnavailable, "net.refused", "refused", ""};
  return std::unique_ptr<Conn>(std::make_unique<End>(*this, ++ids_));
}

std::string FakeRedis::text_of(const std::string& key) const {
  const auto found = texts.find(key);
  return found == texts.end() ? "$-1\r\n" : bulk(found->second);
}
std::string FakeRedis::field_of(const std::string& key, const std::string& field) const {
  const auto hash = hashes.find(key);
  if (hash == hashes.end()) return "$-1\r\n";
  const auto found = hash->second.find(field);
  return found == hash->second.end() ? "$-1\r\n" : bulk(found->second);
}

std::string FakeRedis::execute(const Words& w, int64_t id) {
  ++commands_;
  const std::string& name = w[0];
  if (name == "AUTH") {
    if (w.back() != password_) return "-WRONGPASS invalid username-password pair\r\n";
    allowed_.insert(id);
    return "+OK\r\n";
  }
  if (!password_.empty() && !allowed_.contains(id)) return "-NOAUTH Authentication required.\r\n";
  if (name == "CLIENT") {
    if (w[1] == "KILL") killed_.insert(w[3]);
    return w[1] == "ID" ? integer(id) : "+OK\r\n";
  }
  if (name == "SELECT") return "+OK\r\n";
  if (!refusal_.empty()) return "-" + refusal_ + "\r\n";
  return name == "EVAL" ? evaluate(w) : on_keys(w);
}

bool FakeRedis::other_type(const Words& w) const {
  static const std::set<std::string> kOfTexts = {"GET", "GETRANGE"};
  static const std::set<std::string> kOfHashes = {"HGET", "HMGET", "HGETALL", "HSET", "HDEL"};
  return (kOfTexts.contains(w[0]) && hashes.contains(w[1])) ||
         (kOfHashes.contains(w[0]) && texts.contains(w[1]));
}

std::string FakeRedis::on_keys(const Words& w) {
  const std::string& name = w[0];
  if (w.size() > 1 && other_type(w))
    return "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n";
  if (name == "GET") return text_of(w[1]);
  if (name == "GETRANGE") {
    const auto found = texts.find(w[1]);
    return bulk(found == texts.end() ? "" : found->second.substr(0, std::stoull(w[3]) + 1));
  }
  if (name == "SET") {
    const bool only_new = w.size() > 3 && w[3] == "NX";
    if (only_new && texts.contains(w[1])) return "$-1\r\n";
    texts[w[1]] = w[2];
    return "+OK\r\n";
  }
  if (name == "DEL") return integer(static_cast<int64_t>(texts.erase(w[1]) + hashes.erase(w[1])));
  if (name == "MGET" || name == "HMGET") {
    std::vector<std::string> out;
    const size_t from = name == "MGET" ? 1 : 2;
    for (size_t i = from; i < w.size(); ++i)
      out.push_back(from == 1 ? text_of(w[i]) : field_of(w[1], w[i]));
    return list(out);
  }
  if (name == "HGET") return field_of(w[1], w[2]);
  if (name == "HGETALL") {
    std::vector<std::string> out;
    const auto found = hashes.find(w[1]);
    if (found == hashes.end()) return list(out);
    for (const auto& [field, value] : found->second) {
      out.push_back(bulk(field));
      out.push_back(bulk(value));
    }
    return list(out);
  }
  if (name == "HSET" || name == "HDEL") return change_hash(w);
  if (name == "SCAN") {
    std::vector<std::string> keys;
    for (const auto& [key, value] : texts)
      if (matches(w[3], key)) keys.push_back(bulk(key));
    for (const auto& [key, value] : hashes)
      if (matches(w[3], key)) keys.push_back(bulk(key));
    return list({bulk("0"), list(keys)});
  }
  if (name == "INFO") return bulk("# Memory\r\nmaxmemory_policy:noeviction\r\n");
  return "-ERR unknown command\r\n";
}

std::string FakeRedis::change_hash(const Words& w) {
  auto& hash = hashes[w[1]];
  if (w[0] == "HSET")
    for (size_t i = 2; i + 1 < w.size(); i += 2) hash[w[i]] = w[i + 1];
  else
    for (size_t i = 2; i < w.size(); ++i) hash.erase(w[i]);
  if (hash.empty()) hashes.erase(w[1]);
  return integer(1);
}

std::string FakeRedis::evaluate(const Words& w) {
  const std::string& key = w[3];
  if (w[1].find("'TYPE'") != std::string::npos) {
    if (w[4] != "string") texts.erase(key);
    if (w[4] != "hash") hashes.erase(key);
    return integer(0);
  }
  if (w[1].find("math.max") != std::string::npos) {
    const auto known = hashes[key].find(w[4]);
    int64_t n = known == hashes[key].end() ? 0 : std::stoll(known->second);
    if (n >= std::stoll(w[5])) {
      n = std::max<int64_t>(n, std::stoll(w[6]));
      hashes[key][w[4]] = std::to_string(n);
    }
    if (hashes[key].empty()) hashes.erase(key);
    return integer(n);
  }
  if (w[1].find("GETRANGE") != std::string::npos) {
    const auto found = texts.find(key);
    if ((found == texts.end() ? "" : found->second.substr(0, 9)) != w[4]) return integer(0);
    if (w[5].empty())
      texts.erase(key);
    else
      texts[key] = w[5];
    return integer(1);
  }
  const auto known = hashes[key].find(w[4]);
  if ((known == hashes[key].end() ? "" : known->second) != w[5]) {
    if (hashes[key].empty()) hashes.erase(key);
    return integer(0);
  }
  const size_t gone = std::stoull(w[7]);
  for (size_t i = 8; i < 8 + gone; ++i) hashes[key].erase(w[i]);
  for (size_t i = 8 + gone; i + 1 < w.size(); i += 2) hashes[key][w[i]] = w[i + 1];
  if (hashes[key].empty()) hashes.erase(key);
  if (w[6] != "0") expiry[key] = w[6];
  return integer(1);
}

}  // namespace slip::test
