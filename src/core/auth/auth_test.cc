#include "core/auth/auth.h"

#include <gtest/gtest.h>

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

// What the predicate lets through is exactly what role_on lets be read, for random grants.
TEST(Rights, ThePredicateAgreesWithTheRule) {
  const std::vector<std::string> objects = {"u0", "u1", "u2", "u3"};
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    gen::Dice dice = gen::Dice::seeded(seed);
    std::vector<Grant> grants;
    for (uint64_t i = dice.below(5); i > 0; --i)
      grants.push_back({dice.one_in(3) ? "q" : "p", "x", dice.one_in(3) ? "*" : "model",
                        dice.one_in(3) ? "*" : objects[dice.below(4)],
                        static_cast<Role>(dice.below(5)), dice.one_in(4)});
    const Predicate predicate = list_predicate(grants, "p", "model", "uid");
    const auto passes = [&](const std::string& uid) {
      const bool listed =
          std::find(predicate.args.begin(), predicate.args.end(), uid) != predicate.args.end();
      if (predicate.sql.empty()) return true;
      if (predicate.sql == " AND 1 = 0") return false;
      return predicate.sql.starts_with(" AND uid NOT IN (") ? !listed : listed;
    };
    for (const std::string& uid : objects)
      EXPECT_EQ(passes(uid), role_on(grants, "p", "model", uid) >= Role::kRead) << uid;
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
  EXPECT_EQ(auth.role(weak, "model", ""), Role::kRead);
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
  EXPECT_TRUE(auth.has_object_grants(ann, "model"));
  EXPECT_FALSE(auth.has_object_grants(ann, "run"));
  EXPECT_EQ(auth.list_predicate(ann, "model", "uid").sql, " AND uid NOT IN (?)");
  EXPECT_EQ(refusal(auth.set_grant(ann, "ann", deny)), "auth.forbidden");
  deny.deny = false;  // Taken away.
  ASSERT_TRUE(auth.set_grant(Ctx(), "ann", deny).ok());
  EXPECT_EQ(refusal(auth.check(ann, Role::kRead, "model", "u1")), "");
}

TEST_P(AuthTest, FirstAdministratorByPassword) {
  EXPECT_EQ(auth.bootstrap({"root", ""}).error().reason, "auth.password_length");
  EXPECT_EQ(auth.bootstrap({"root", "short"}).error().reason, "auth.password_length");
  EXPECT_EQ(auth.bootstrap({"", "long enough password"}).error().reason, "principal.name");
  ASSERT_FALSE(auth.bootstrap({"root", "long enough password"}).value());
  const Ctx root = auth.identify("Basic " + to_base64("root:long enough password"), "").value();
  EXPECT_EQ(auth.role(root, "model", ""), Role::kManage);
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
