#pragma once

#include "store/db.h"
#include "test/gen/dice.h"

namespace slip::test {

// A database on a bad day, the same bad day for the same seed. One write in `one_in` fails before
// it starts, just before its commit, or, the nasty one, after the commit, when only the reply is
// lost. One write in `one_in` has its body run twice, as a replayed group does.
class FaultyDb final : public store::Db {
 public:
  FaultyDb(store::Db& real, gen::Dice dice, uint64_t one_in)
      : real_(real), dice_(dice), one_in_(one_in) {}

  Status read(const Body& body) override { return real_.read(body); }

  Status write(const Body& body) override {
    if (unlucky()) return lost("before the body");
    if (unlucky())
      ignore(real_.write([&](store::Tx& tx) -> Status {
        TRY(body(tx));
        return lost("replayed");
      }),
             "only its effects on the body's outputs matter");
    TRY(real_.write([&](store::Tx& tx) -> Status {
      TRY(body(tx));
      if (unlucky()) return lost("before the commit");
      return {};
    }));
    if (unlucky()) return lost("after the commit");
    return {};
  }

  void submit(Body body, Done done) override { done(write(body)); }

  Status exclusively(const std::function<Status()>& work) override {
    return real_.exclusively(work);
  }

  std::string_view kind() const override { return real_.kind(); }

 private:
  bool unlucky() { return dice_.one_in(one_in_); }
  static Error lost(const char* when) { return unavailable("sim.lost", when); }

  store::Db& real_;
  gen::Dice dice_;
  uint64_t one_in_;
};

}  // namespace slip::test
