#include "core/auth/auth.h"

#include <functional>
#include <set>
#include <utility>

#include <gtest/gtest.h>

#include "base/crc32.h"
#include "base/text.h"
#include "core/auth/token.h"
#include "sys/sim/sim_rng.h"
#include "test/fake/clock.h"
#include "test/gen/dice.h"
#include "test/store/dbs.h"

namespace slip::auth {
namespace {

std::vector<store::Migration> all_migrations() {
  std::vector<store::Migration> out(ledger::migrations().begin(), ledger::migrations().end());
  out.insert(out.end(), migrations().begin(), migrations().end());
  return out;
}

// After the next read, before its caller goes on, something else happens.
class InterruptedDb final : public store::Db {
 public:
  explicit InterruptedDb(store::Db& real) : real_(real) {}
  std::function<void()> then;

  Status read(const Body& body) override {
    const Status done = real_.read(body);
    if (then) std::exchange(then, nullptr)();
    return done;
  }
  Status write(const Body& body) override { return real_.write(body); }
  void submit(Body body, Done done) override { real_.submit(std::move(body), std::move(done)); }
  Status exclusively(const std::function<Status()>& work) override {
    return real_.exclusively(work);
  }
  std::string_view kind() const override { return real_.kind(); }

 private:
  store::Db& real_;
};

class AuthTest : public test::DbTest {
 protected:
  AuthTest() : ledger({migrated(all_migrations()), clock, rng}), auth(make(true)) {
    EXPECT_TRUE(auth.load().ok());
  }
  Auth make(bool required) { return Auth({db(), ledger, clock, rng}, {.required = required}); }

  std::string token(const std::string& principal, Role role, const std::string& project = "*") {
    NewToken wanted;
    wanted.principal = principal;
    wanted.role = role;
    wanted.project = project;
    const Result<IssuedToken> issued = auth.create_token(Ctx(), wanted);
    EXPECT_TRUE(issued.ok()) << issued.error().text;
    return issued->text;
  }
  Ctx ctx_of(const std::string& text, std::string_view project = "") {
    return auth.identify("Bearer " + text, project).value();
  }
  std::string refusal(const Status& s) { return s.ok() ? "" : s.error().reason; }

  test::FakeClock clock;
  sim::SimRng rng{5};
  ledger::Ledger ledger;
  Auth auth;
};
SLIP_EVERY_DB(AuthTest);

TEST(Token, TextsRoundTripAndEveryTypingErrorIsSeen) {
  sim::SimRng rng(1);
  EXPECT_EQ(crc32("123456789"), 0xcbf43926U);
  for (int i = 0; i < 20; ++i) {
    const TokenText token = make_token(rng);
    const std::string text = token.text();
    const std::optional<TokenText> back = parse_token(text);
    ASSERT_TRUE(back) << text;
    EXPECT_EQ(back->id, token.id);
    EXPECT_EQ(back->secret, token.secret);
    for (size_t at = 0; at < text.size(); ++at) {
      std::string wrong = text;
      wrong[at] = wrong[at] == 'x' ? 'y' : 'x';
      EXPECT_FALSE(parse_token(wrong)) << at;
    }
    EXPECT_FALSE(parse_token(text + "0"));
    EXPECT_FALSE(parse_token(text.substr(1)));
  }
}

TEST(Rights, DenyOverridesAndObjectsCountAlone) {
  const auto grant = [](const char* project, const char* kind, const char* object, Role role,
                        bool deny = false) {
    return Grant{project, "p", kind, object, role, deny};
  };
  struct Case {
    const char* name;
    std::vector<Grant> grants;
    const char* object;
    Role want;
  };
  const Case cases[] = {
      {"nothing granted", {}, "", Role::kNone},
      {"everything", {grant("*", "*", "*", Role::kEdit)}, "", Role::kEdit},
      {"another project", {grant("q", "*", "*", Role::kEdit)}, "", Role::kNone},
      {"another kind", {grant("p", "run", "*", Role::kEdit)}, "", Role::kNone},
      {"the best counts",
       {grant("p", "*", "*", Role::kRead), grant("p", "model", "*", Role::kUse)},
       "",
       Role::kUse},
      {"one object isn't the project", {grant("p", "model", "u1", Role::kManage)}, "", Role::kNone},
      {"one object", {grant("p", "model", "u1", Role::kManage)}, "u1", Role::kManage},
      {"deny of the object",
       {grant("*", "*", "*", Role::kManage), grant("p", "model", "u1", Role::kNone, true)},
       "u1",
       Role::kNone},
      {"deny of another object",
       {grant("*", "*", "*", Role::kManage), grant("p", "model", "u2", Role::kNone, true)},
       "u1",
       Role::kManage},
      {"deny of the kind beats the object",
       {grant("p", "model", "u1", Role::kManage), grant("p", "model", "*", Role::kNone, true)},
       "u1",
       Role::kNone},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(role_on(c.grants, "p", "model", c.object), c.want);
  }
}

TEST(Rights, APartIsItsContainersUnlessItsKindIsGranted) {
  const auto grant = [](const char* kind, const char* object, Role role, bool deny = false) {
    return Grant{"p", "p", kind, object, role, deny};
  };
  const Grant readable = grant("experiment", "7", Role::kRead);
  struct Case {
    const char* name;
    std::vector<Grant> grants;
    const char* kind;
    Role want;
  };
  const Case cases[] = {
      {"nothing", {}, "run", Role::kNone},
      {"the experiment's", {readable}, "run", Role::kRead},
      {"and its parts' parts", {readable}, "assessment", Role::kRead},
      {"another experiment's", {grant("experiment", "8", Role::kManage)}, "run", Role::kNone},
      {"the kind alone shows no experiment", {grant("run", "*", Role::kEdit)}, "run", Role::kNone},
      {"the kind decides upwards", {readable, grant("run", "*", Role::kEdit)}, "run", Role::kEdit},
      {"and downwards",
       {grant("experiment", "7", Role::kManage), grant("run", "*", Role::kRead)},
       "run",
       Role::kRead},
      {"a denial of the kind is final",
       {grant("experiment", "7", Role::kManage), grant("run", "*", Role::kNone, true)},
       "run",
       Role::kNone},
      {"and reaches only that kind",
       {grant("experiment", "7", Role::kManage), grant("run", "*", Role::kNone, true)},
       "trace",
       Role::kManage},
      {"a role on every kind is a floor",
       {grant("*", "*", Role::kEdit), grant("run", "*", Role::kRead)},
       "run",
       Role::kEdit},
      {"versions are their model's",
       {grant("model", "7", Role::kUse)},
       "model_version",
       Role::kUse},
      {"prompts are no models", {grant("model", "*", Role::kUse)}, "prompt", Role::kNone},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(role_on(c.grants, "p", c.kind, "7"), c.want);
  }
  const std::vector<Grant> all = {grant("*", "*", Role::kEdit)};
  EXPECT_TRUE(has_everything(all, "p", Role::kEdit));
  EXPECT_FALSE(has_everything(all, "p", Role::kManage));
  EXPECT_FALSE(has_everything(all, "q", Role::kRead));
  std::vector<Grant> but = all;
  but.push_back(grant("model", "7", Role::kNone, true));
  EXPECT_FALSE(has_everything(but, "p", Role::kRead));
  EXPECT_TRUE(denies_objects(but, "p", "model_version"));
  EXPECT_FALSE(denies_objects(but, "p", "experiment"));
  for (const Kind& kind : kinds()) {
    EXPECT_TRUE(kind.parent.empty() || find_kind(kind.parent)) << kind.name;
    EXPECT_TRUE(kind.parent.empty() || !kind.objects) << kind.name;
  }
}

// A list is the full list filtered by check(), for random grants on every kind of object and part.
TEST_P(AuthTest, WhatWasReadEarlierNeverReplacesWhatWasReadLater) {
  InterruptedDb interrupted(db());
  Auth here({interrupted, ledger, clock, rng}, {.required = true});
  interrupted.then = [&] {
    NewToken wanted;
    wanted.principal = "eve";
    wanted.role = Role::kRead;
    ASSERT_TRUE(here.create_token(Ctx(), wanted).ok());
  };
  ASSERT_TRUE(here.load().ok());  // As the clock's refresh does beside a request.
  ASSERT_EQ(here.principals().value().size(), 1U);
  EXPECT_EQ(here.principals().value()[0].name, "eve");
}

TEST_P(AuthTest, AListIsWhatCheckLetsBeRead) {
  const std::vector<std::string> objects = {"u0", "u1", "u2", "u3"};
  const std::vector<std::string> granted = {"*", "experiment", "run", "model", "ledger"};
  const std::vector<std::string> asked = {"experiment", "run",           "trace",
                                          "model",      "model_version", "ledger"};
  ASSERT_TRUE(db().write([&](store::Tx& tx) -> Status {
                    TRY(tx.exec("CREATE TABLE thing (kind TEXT NOT NULL, uid TEXT NOT NULL)", {}));
                    for (const std::string& kind : asked)
                      for (const std::string& uid : objects)
                        TRY(tx.exec("INSERT INTO thing (kind, uid) VALUES (?, ?)", {kind, uid}));
                    return {};
                  })
                  .ok());
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    gen::Dice dice = gen::Dice::seeded(seed);
    NewToken wanted;
    wanted.principal = "p" + std::to_string(seed);
    wanted.project = "elsewhere";
    ASSERT_TRUE(auth.create_token(Ctx(), wanted).ok());
    Ctx who;
    who.actor_kind = "user";
    for (const Principal& p : auth.principals().value())
      if (p.name == wanted.principal) who.actor_uid = p.uid;
    for (uint64_t i = dice.below(6); i > 0; --i) {
      Grant g;
      g.kind = granted[dice.below(granted.size())];
      const Kind* kind = find_kind(g.kind);
      g.project = dice.one_in(4) ? "other" : "default";
      g.object = kind && kind->objects && !dice.one_in(3) ? objects[dice.below(4)] : "*";
      g.deny = dice.one_in(4);
      g.role = static_cast<Role>(1 + dice.below(4));
      ASSERT_TRUE(auth.set_grant(Ctx(), wanted.principal, g).ok());
    }
    who.caller = auth.caller_of(who);
    std::set<std::string> of_any;
    const store::RowTest any = who.caller->readable_of_any("kind", "uid");
    const auto read = [&](const store::RowTest& test, std::string_view kind) {
      std::set<std::string> out;
      std::vector<store::Value> args = {kind, kind};
      args.insert(args.end(), test.args.begin(), test.args.end());
      EXPECT_TRUE(
          db().read([&](store::Tx& tx) {
                return tx.each(
                    "SELECT kind, uid FROM thing WHERE (kind = ? OR ? = '')" + test.sql, args,
                    [&](const store::Row& row) { out.insert(row.str(0) + " " + row.str(1)); });
              })
              .ok());
      return out;
    };
    std::set<std::string> all_listed;
    for (const std::string& kind : asked) {
      const std::set<std::string> listed = read(who.caller->readable(kind, "uid"), kind);
      std::set<std::string> passed;
      for (const std::string& uid : objects)
        if (auth.check(who, Role::kRead, kind, uid).ok()) passed.insert(kind + " " + uid);
      EXPECT_EQ(listed, passed) << kind;
      all_listed.insert(passed.begin(), passed.end());
      // What memory alone says is never more than what a look at the object says.
      const Auth::Verdict verdict = auth.decide(who, Role::kRead, kind);
      EXPECT_TRUE(verdict != Auth::Verdict::kAllowed || passed.size() == objects.size()) << kind;
      EXPECT_TRUE(verdict != Auth::Verdict::kDenied || passed.empty()) << kind;
    }
    EXPECT_EQ(read(any, ""), all_listed);
  }
}

TEST_P(AuthTest, LetsInWhoShowsAToken) {
  const std::string text = token("ann", Role::kEdit);
  const std::string wrong_secret = [&] {
    TokenText t = *parse_token(text);
    t.secret[0] = t.secret[0] == 'a' ? 'b' : 'a';
    return t.text();
  }();
  struct Case {
    const char* name;
    std::string header;
    const char* want;  // Reason, "" when let in.
  };
  const Case cases[] = {
      {"bearer", "Bearer " + text, ""},
      {"scheme in any case", "bearer  " + text, ""},
      {"basic, token as password", "Basic " + to_base64("whoever:" + text), ""},
      {"nothing", "", "auth.required"},
      {"wrong secret, right checksum", "Bearer " + wrong_secret, "auth.bad_credentials"},
      {"unknown id", "Bearer " + make_token(rng).text(), "auth.bad_credentials"},
      {"cut", "Bearer " + text.substr(0, 40), "auth.bad_credentials"},
      {"other scheme", "Digest x", "auth.scheme"},
      {"no base64", "Basic !!", "auth.basic_syntax"},
      {"no colon", "Basic " + to_base64("nocolon"), "auth.basic_syntax"},
      {"password of nobody", "Basic " + to_base64("eve:secret"), "auth.bad_credentials"},
      {"ann has no password", "Basic " + to_base64("ann:"), "auth.bad_credentials"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const Result<Ctx> got = auth.identify(c.header, "");
    EXPECT_EQ(got.ok() ? "" : got.error().reason, c.want);
    if (!got.ok()) continue;
    EXPECT_EQ(auth.label(got->actor_uid), "ann");
    EXPECT_EQ(got->project.text, "default");
  }
}

TEST_P(AuthTest, WithoutAuthNobodyIsLocalButABadTokenIsStillBad) {
  Auth open = make(false);
  ASSERT_TRUE(open.load().ok());
  const Ctx local = open.identify("", "team").value();
  EXPECT_EQ(local.actor_kind, "local");
  EXPECT_EQ(local.project.text, "team");
  EXPECT_TRUE(open.check(local, Role::kManage, "model", "u1").ok());
  EXPECT_EQ(open.identify("Bearer nonsense", "").error().reason, "auth.bad_credentials");
  EXPECT_EQ(open.identify("", "../x").error().reason, "project.name");
}

TEST_P(AuthTest, ATokenIsBoundToItsProjectAndRole) {
  const Ctx ann = ctx_of(token("ann", Role::kUse, "team"));
  EXPECT_EQ(ann.project.text, "team");
  EXPECT_TRUE(auth.check(ann, Role::kUse, "model", "").ok());
  EXPECT_EQ(refusal(auth.check(ann, Role::kEdit, "model", "")), "auth.forbidden");
  const std::string text = token("bob", Role::kRead, "team");
  EXPECT_EQ(auth.identify("Bearer " + text, "other").error().reason, "auth.other_project");
  // A weak token of a strong principal stays weak.
  token("carol", Role::kManage);
  const Ctx weak = ctx_of(token("carol", Role::kRead));
  EXPECT_EQ(auth.role(weak, "model"), Role::kRead);
}

TEST_P(AuthTest, TokensEndAndAreRevokedAtOnce) {
  NewToken wanted;
  wanted.principal = "ann";
  wanted.expires_ms = clock.now_ms() + 1000;
  const IssuedToken brief = auth.create_token(Ctx(), wanted).value();
  EXPECT_TRUE(auth.identify("Bearer " + brief.text, "").ok());
  clock.advance_ms(1000);
  EXPECT_FALSE(auth.identify("Bearer " + brief.text, "").ok());
  EXPECT_EQ(auth.create_token(Ctx(), wanted).error().reason, "token.expires");

  const std::string text = token("bob", Role::kEdit);
  const Ctx running = ctx_of(text);
  Auth other_node = make(true);
  ASSERT_TRUE(other_node.load().ok());
  ASSERT_TRUE(auth.revoke_token(Ctx(), running.credential).ok());
  EXPECT_FALSE(auth.identify("Bearer " + text, "").ok());
  EXPECT_FALSE(auth.check(running, Role::kRead, "model", "").ok());
  EXPECT_TRUE(other_node.identify("Bearer " + text, "").ok());  // Until it looks.
  EXPECT_TRUE(other_node.refresh().value());
  EXPECT_FALSE(other_node.identify("Bearer " + text, "").ok());
  EXPECT_FALSE(other_node.refresh().value());
  EXPECT_EQ(refusal(auth.revoke_token(Ctx(), running.credential)), "token.not_found");
}

TEST_P(AuthTest, NobodyMakesATokenAboveOrBesideThemselves) {
  const Ctx manager = ctx_of(token("ann", Role::kManage, "team"));
  const Ctx editor = ctx_of(token("bob", Role::kEdit, "team"));
  token("carol", Role::kRead, "team");
  struct Case {
    const char* name;
    const Ctx& maker;
    const char* principal;
    const char* project;
    const char* want;
  };
  const Case cases[] = {
      {"an editor makes none", editor, "bob", "team", "auth.forbidden"},
      {"a manager, for somebody new, at home", manager, "dave", "team", ""},
      {"a manager, for itself, at home", manager, "ann", "team", ""},
      {"a manager, for somebody else: could approve own work", manager, "carol", "team",
       "auth.not_yourself"},
      {"a manager, elsewhere", manager, "ann", "other", "auth.forbidden"},
      {"a manager, everywhere", manager, "ann", "*", "auth.forbidden"},
      {"a taken name", manager, "local", "team", "principal.name"},
      {"a strange name", manager, "a b", "team", "principal.name"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    NewToken wanted;
    wanted.principal = c.principal;
    wanted.project = c.project;
    const Result<IssuedToken> got = auth.create_token(c.maker, wanted);
    EXPECT_EQ(got.ok() ? "" : got.error().reason, c.want);
  }
}

TEST_P(AuthTest, ADeniedObjectLooksLikeAMissingOne) {
  const Ctx ann = ctx_of(token("ann", Role::kEdit));
  Grant deny;
  deny.project = "default";
  deny.kind = "model";
  deny.object = "u1";
  deny.deny = true;
  ASSERT_TRUE(auth.set_grant(Ctx(), "ann", deny).ok());
  EXPECT_EQ(refusal(auth.check(ann, Role::kRead, "model", "u1")), "model.not_found");
  EXPECT_EQ(refusal(auth.check(ann, Role::kRead, "model", "u2")), "");
  EXPECT_EQ(refusal(auth.check(ann, Role::kManage, "model", "u2")), "auth.forbidden");
  EXPECT_EQ(auth.decide(ann, Role::kRead, "model"), Auth::Verdict::kDepends);
  EXPECT_EQ(auth.decide(ann, Role::kRead, "run"), Auth::Verdict::kAllowed);
  EXPECT_EQ(auth.decide(ann, Role::kManage, "token"), Auth::Verdict::kDenied);
  EXPECT_EQ(refusal(auth.set_grant(ann, "ann", deny)), "auth.forbidden");
  deny.deny = false;  // Taken away.
  ASSERT_TRUE(auth.set_grant(Ctx(), "ann", deny).ok());
  EXPECT_EQ(refusal(auth.check(ann, Role::kRead, "model", "u1")), "");
}

TEST_P(AuthTest, WhoMakesSomethingManagesItAtOnceAndOnEveryNode) {
  const Ctx ann = ctx_of(token("ann", Role::kManage));
  const Ctx bob = ctx_of(token("bob", Role::kRead));
  Grant member{"default", "", std::string(kMember), "*", Role::kUse, false};
  EXPECT_EQ(refusal(auth.check_new(bob, "experiment")), "auth.forbidden");
  ASSERT_TRUE(auth.set_grant(Ctx(), "bob", member).ok());
  EXPECT_EQ(refusal(auth.check_new(bob, "experiment")), "auth.forbidden");  // His token reads.
  const Ctx strong = ctx_of(token("bob", Role::kUse, "default"));
  EXPECT_EQ(refusal(auth.check_new(strong, "experiment")), "");
  Auth other_node = make(true);
  ASSERT_TRUE(other_node.load().ok());
  ASSERT_TRUE(
      db().write([&](store::Tx& tx) { return store::make_owner(tx, strong, "experiment", "7"); })
          .ok());
  Ctx by_password = strong;  // The token's own role is the lower one.
  by_password.credential.clear();
  for (const Auth* node : {&auth, &other_node}) {
    EXPECT_TRUE(node->check(by_password, Role::kManage, "experiment", "7").ok());
    EXPECT_TRUE(node->check(by_password, Role::kManage, "run", "7").ok());
    EXPECT_EQ(refusal(node->check(by_password, Role::kEdit, "experiment", "8")), "auth.forbidden");
  }
  EXPECT_EQ(refusal(auth.check(strong, Role::kEdit, "experiment", "7")), "auth.forbidden");
  // Who manages it may say who else gets at it; nobody else may.
  const Grant share{"default", "", "experiment", "7", Role::kEdit, false};
  token("carol", Role::kRead, "elsewhere");
  EXPECT_EQ(refusal(auth.set_grant(bob, "carol", share)), "auth.forbidden");
  EXPECT_EQ(refusal(auth.set_grant(by_password, "carol", share)), "");
}

TEST_P(AuthTest, EventsAreReadByWhoReadsWhatTheyAreAbout) {
  // Of kind "part", whose container stands behind a slash in the version.
  ledger::Ledger scoped({db(), clock, rng, {{"part", "'run'", "SELECT e.version"}}});
  const auto event = [&](const char* kind, const char* uid, const char* version) {
    ledger::Draft draft;
    draft.verb = "thing.done";
    draft.subject = {.kind = kind, .uid = uid, .name = {}, .version = version, .digest = {}};
    ASSERT_TRUE(db().write([&](store::Tx& tx) { return scoped.append(tx, Ctx(), draft); }).ok());
  };
  event("experiment", "7", "");
  event("experiment", "8", "");
  event("part", "r7", "7");
  event("part", "r8", "8");
  event("strange", "x", "");
  const Ctx ann = ctx_of(token("ann", Role::kManage, "elsewhere"), "");
  Ctx here = ann;
  here.project.text = "default";
  here.credential.clear();
  const auto seen = [&](const Grant& grant) {
    EXPECT_TRUE(auth.set_grant(Ctx(), "ann", grant).ok());
    here.caller = auth.caller_of(here);
    while (scoped.number_pending().value() > 0) {}
    ledger::Filter filter;
    filter.verb = "thing.";
    filter.caller = here.caller;
    std::set<std::string> uids;  // One moment's events stand in any order.
    for (const ledger::Event& e : scoped.list(filter).value()) uids.insert(e.subject.uid);
    std::string out;
    for (const std::string& uid : uids) out += uid + " ";
    return out;
  };
  EXPECT_EQ(seen({"default", "", "ledger", "*", Role::kRead, false}), "");
  EXPECT_EQ(seen({"default", "", "experiment", "7", Role::kRead, false}), "7 r7 ");
  EXPECT_EQ(seen({"default", "", "run", "*", Role::kNone, true}), "7 ");
  EXPECT_EQ(seen({"default", "", "run", "*", Role::kNone, false}), "7 r7 ");
  EXPECT_EQ(seen({"default", "", "*", "*", Role::kRead, false}), "7 8 r7 r8 x ");
  EXPECT_EQ(seen({"default", "", "experiment", "8", Role::kNone, true}), "7 r7 x ");
}

TEST_P(AuthTest, GrantsThatMeanNothingAreRefused) {
  token("ann", Role::kRead);
  struct Case {
    const char* name;
    Grant grant;
  };
  const Case cases[] = {
      {"unknown kind", {"default", "", "modl", "*", Role::kRead, false}},
      {"one run", {"default", "", "run", "r1", Role::kRead, false}},
      {"one object of any kind", {"default", "", "*", "u1", Role::kRead, false}},
      {"one object of every project", {"*", "", "model", "u1", Role::kRead, false}},
      {"no object", {"default", "", "model", "", Role::kRead, false}},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(refusal(auth.set_grant(Ctx(), "ann", c.grant)), "grant.scope");
  }
}

TEST_P(AuthTest, FirstAdministratorByPassword) {
  EXPECT_EQ(auth.bootstrap({"root", ""}).error().reason, "auth.password_length");
  EXPECT_EQ(auth.bootstrap({"root", "short"}).error().reason, "auth.password_length");
  EXPECT_EQ(auth.bootstrap({"", "long enough password"}).error().reason, "principal.name");
  ASSERT_FALSE(auth.bootstrap({"root", "long enough password"}).value());
  const Ctx root = auth.identify("Basic " + to_base64("root:long enough password"), "").value();
  EXPECT_EQ(auth.role(root, "model"), Role::kManage);
  // Another start changes nothing.
  ASSERT_FALSE(auth.bootstrap({"root", "another password!"}).value());
  const std::string wrong = "Basic " + to_base64("root:another password!");
  for (int64_t i = 0; i < kPasswordTriesPerMinute; ++i)
    EXPECT_EQ(auth.identify(wrong, "").error().reason, "auth.bad_credentials");
  EXPECT_EQ(auth.identify(wrong, "").error().reason, "auth.throttled");
  // Who has the right one isn't locked out, and a minute later all may try.
  EXPECT_TRUE(auth.identify("Basic " + to_base64("root:long enough password"), "").ok());
  clock.advance_ms(60'000);
  EXPECT_EQ(auth.identify(wrong, "").error().reason, "auth.bad_credentials");
}

TEST_P(AuthTest, TheBootstrapTokenEndsWithItsSuccessor) {
  const std::optional<IssuedToken> first = auth.bootstrap({}).value();
  ASSERT_TRUE(first);
  const Ctx admin = ctx_of(first->text);
  NewToken wanted;
  wanted.principal = "ann";
  ASSERT_TRUE(auth.create_token(admin, wanted).ok());
  EXPECT_TRUE(auth.identify("Bearer " + first->text, "").ok());
  wanted.principal = "admin";
  wanted.role = Role::kManage;
  const IssuedToken lasting = auth.create_token(admin, wanted).value();
  EXPECT_FALSE(auth.identify("Bearer " + first->text, "").ok());
  EXPECT_TRUE(auth.identify("Bearer " + lasting.text, "").ok());
  EXPECT_FALSE(auth.bootstrap({}).value());
}

TEST_P(AuthTest, TimesOfUseAreFlushedAndChangesAreEvents) {
  const std::string text = token("ann", Role::kRead);
  const Ctx ann = ctx_of(text);
  ASSERT_TRUE(auth.flush_last_used().ok());
  Auth other = make(true);
  ASSERT_TRUE(other.load().ok());
  const std::vector<TokenInfo> tokens = other.tokens(ann.actor_uid).value();
  ASSERT_EQ(tokens.size(), 1u);
  EXPECT_EQ(tokens[0].last_used_ms, clock.now_ms());

  while (ledger.number_pending().value() > 0) {}
  std::vector<std::string> verbs;
  for (const ledger::Event& e : ledger.list({}).value()) {
    verbs.push_back(e.verb);
    EXPECT_EQ(e.leaf.find(parse_token(text)->secret), std::string::npos);
  }
  EXPECT_EQ(verbs, (std::vector<std::string>{"principal.created", "token.created"}));
  bool secret_found = false;
  ASSERT_TRUE(db().read([&](store::Tx& tx) {
                    return tx.each("SELECT secret_sha256 FROM auth_token", {},
                                   [&](const store::Row& row) {
                                     secret_found |= row.text(0) == parse_token(text)->secret;
                                   });
                  })
                  .ok());
  EXPECT_FALSE(secret_found);
}

class AuthSchemaTest : public test::DbTest {};
SLIP_EVERY_DB(AuthSchemaTest);
TEST_P(AuthSchemaTest, MigratesFromEveryVersion) {
  test::expect_migrates_from_every_version(*this, migrations());
}

}  // namespace
}  // namespace slip::auth
