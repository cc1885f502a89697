#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "sys/net.h"
#include "sys/sync.h"

// As much of a Redis server as we talk to, on the other end of a Net: strings and hashes, the two
// scripts of exchanges and that of numbers (told apart by their words), SCAN in one step. It can be
// gone, lose what it holds, go back in time, cut a connection after some commands, refuse. Any
// thread.
namespace slip::test {

class FakeRedis final : public Net {
 public:
  using Words = std::vector<std::string>;

  Result<std::vector<Address>> resolve(const std::string&, uint16_t port) override {
    return std::vector<Address>{{"127.0.0.1", port}};
  }
  Result<std::unique_ptr<Conn>> dial(const Address& address, int64_t deadline_ns) override;

  // It is gone: connections end, nobody answers.
  void set_up(bool up) {
    const sys::Lock lock(mutex_);
    up_ = up;
    if (!up) ++epoch_;
  }
  void cut_connections() {
    const sys::Lock lock(mutex_);
    ++epoch_;
  }
  // Whoever speaks ends after so many more commands, the last one executed and not answered.
  // `gone`: and nobody answers any more.
  void cut_after(int64_t commands, bool gone = false) {
    const sys::Lock lock(mutex_);
    left_ = commands;
    goes_ = gone;
  }
  // What somebody is about to say; it may speak with others meanwhile.
  std::function<void(std::string_view bytes)> on_write;
  void flush() {
    const sys::Lock lock(mutex_);
    texts.clear();
    hashes.clear();
  }
  using Held = std::pair<std::map<std::string, std::string>,
                         std::map<std::string, std::map<std::string, std::string>>>;
  Held save() const {
    const sys::Lock lock(mutex_);
    return {texts, hashes};
  }
  void restore(const Held& held) {  // As after a restart with an older snapshot.
    const sys::Lock lock(mutex_);
    std::tie(texts, hashes) = held;
    ++epoch_;
  }
  void refuse(std::string with) {  // Every command but a greeting's; "": none.
    const sys::Lock lock(mutex_);
    refusal_ = std::move(with);
  }
  void want_password(std::string password) {
    const sys::Lock lock(mutex_);
    password_ = std::move(password);
  }
  void answer_raw(std::string bytes) {  // Instead of any reply.
    const sys::Lock lock(mutex_);
    raw_ = std::move(bytes);
  }
  int64_t dials() const {
    const sys::Lock lock(mutex_);
    return dials_;
  }
  int64_t commands() const {
    const sys::Lock lock(mutex_);
    return commands_;
  }
  std::set<std::string> killed() const {
    const sys::Lock lock(mutex_);
    return killed_;
  }

  // What it holds. For tests of one thread.
  std::map<std::string, std::string> texts;
  std::map<std::string, std::map<std::string, std::string>> hashes;
  std::map<std::string, std::string> expiry;

 private:
  class End;
  std::string text_of(const std::string& key) const;
  std::string field_of(const std::string& key, const std::string& field) const;
  bool other_type(const Words& w) const;
  std::string execute(const Words& w, int64_t id);
  std::string on_keys(const Words& w);
  std::string change_hash(const Words& w);
  std::string evaluate(const Words& w);  // EVAL script 1 key arguments…

  mutable sys::Mutex mutex_;
  bool up_ = true;
  int64_t epoch_ = 0;
  int64_t ids_ = 0;
  int64_t dials_ = 0;
  int64_t commands_ = 0;
  int64_t left_ = 0;
  bool goes_ = false;
  std::string refusal_;
  std::string password_;
  std::string raw_;
  std::set<int64_t> allowed_;
  std::set<std::string> killed_;
};

}  // namespace slip::test
