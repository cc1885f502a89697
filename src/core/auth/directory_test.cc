#include "core/auth/directory.h"

#include <functional>
#include <map>
#include <set>

#include <gtest/gtest.h>

#include "core/auth/token.h"
#include "sys/sim/sim_rng.h"
#include "test/fake/clock.h"
#include "test/store/dbs.h"

// Users, roles, memberships and projects by name: who may do what, and what it changes for Auth.
namespace slip::auth {
namespace {

constexpr char kPassword[] = "twelve letters";

std::vector<store::Migration> all_migrations() {
  std::vector<store::Migration> out(ledger::migrations().begin(), ledger::migrations().end());
  out.insert(out.end(), migrations().begin(), migrations().end());
  return out;
}

class DirectoryTest : public test::DbTest {
 protected:
  DirectoryTest()
      : ledger({migrated(all_migrations()), clock, rng}),
        auth({db(), ledger, clock, rng}, {.required = true, .member_role = Role::kRead}),
        directory({db(), ledger, clock, rng, auth}) {
    EXPECT_TRUE(auth.load().ok());
    for (const char* name : {"ann", "bob", "eve"})
      uids[name] = directory.create_user(root, name, kPassword).value().uid;
  }

  // As the request of somebody who has shown a password.
  Ctx as(const std::string& name, std::string_view project = kDefaultProject) {
    Ctx ctx;
    ctx.actor_uid = uids.at(name);
    ctx.actor_kind = "user";
    ctx.project.text = project;
    return ctx;
  }
  template <class T>
  static std::string reason(const T& result) {
    return result.ok() ? "" : result.error().reason;
  }
  NamedRole role_of(const std::string& project, const std::string& name) {
    NamedRole wanted;
    wanted.project = project;
    wanted.name = name;
    return directory.create_role(root, wanted).value();
  }
  static Permission permission(Role role, const std::string& object = "*") {
    return {.number = 0, .kind = "experiment", .object = object, .role = role, .deny = false};
  }
  std::set<std::string> verbs() {
    while (ledger.number_pending().value() == ledger::kNumberedAtOnce) {}
    std::set<std::string> out;
    for (const ledger::Event& e : ledger.list({}).value()) out.insert(e.verb);
    return out;
  }

  test::FakeClock clock;
  sim::SimRng rng{5};
  ledger::Ledger ledger;
  Auth auth;
  Directory directory;
  Ctx root;  // Local: everything.
  std::map<std::string, std::string> uids;
};
SLIP_EVERY_DB(DirectoryTest);

TEST_P(DirectoryTest, UsersAreMadeByAdministratorsAndReadThemselves) {
  const Ctx ann = as("ann");
  struct Case {
    const char* what;
    std::function<std::string()> call;
    const char* reason;
  };
  const Case cases[] = {
      {"a user makes no users", [&] { return reason(directory.create_user(ann, "x", kPassword)); },
       "auth.forbidden"},
      {"a name is there once",
       [&] { return reason(directory.create_user(root, "ann", kPassword)); }, "principal.exists"},
      {"a form of names", [&] { return reason(directory.create_user(root, "a b", kPassword)); },
       "principal.name"},
      {"reserved", [&] { return reason(directory.create_user(root, "local", kPassword)); },
       "principal.name"},
      {"short", [&] { return reason(directory.create_user(root, "zoe", "short")); },
       "auth.password_length"},
      {"oneself", [&] { return reason(directory.user(ann, "ann")); }, ""},
      {"somebody else", [&] { return reason(directory.user(ann, "bob")); }, "auth.forbidden"},
      {"nobody", [&] { return reason(directory.user(root, "none")); }, "principal.not_found"},
      {"who is calling", [&] { return directory.current(ann).value().name; }, "ann"},
      {"one's own administrator", [&] { return reason(directory.set_admin(ann, "ann", true)); },
       "auth.forbidden"},
      {"not oneself", [&] { return reason(directory.delete_user(ann, "ann")); }, "auth.forbidden"},
  };
  for (const Case& c : cases) EXPECT_EQ(c.call(), c.reason) << c.what;
  EXPECT_EQ(reason(auth.check_password("zoe", "short")), "auth.bad_credentials");
}

TEST_P(DirectoryTest, APasswordIsChangedByWhoKnowsItOrAnAdministrator) {
  EXPECT_TRUE(auth.check_password("ann", kPassword).ok());
  const std::string next = "thirteen letters";
  EXPECT_EQ(reason(directory.set_password(as("ann"), {"ann", next, "wrong one here"})),
            "auth.password_current");
  EXPECT_EQ(reason(directory.set_password(as("bob"), {"ann", next, kPassword})), "auth.forbidden");
  EXPECT_TRUE(directory.set_password(as("ann"), {"ann", next, kPassword}).ok());
  EXPECT_FALSE(auth.check_password("ann", kPassword).ok());
  EXPECT_TRUE(auth.check_password("ann", next).ok());
  EXPECT_TRUE(directory.set_password(root, {"ann", kPassword, ""}).ok());
  EXPECT_TRUE(auth.check_password("ann", kPassword).ok());
}

TEST_P(DirectoryTest, AnAdministratorComesAndGoes) {
  EXPECT_FALSE(directory.is_admin(as("ann")));
  ASSERT_TRUE(directory.set_admin(root, "ann", true).ok());
  EXPECT_TRUE(directory.is_admin(as("ann")));
  EXPECT_TRUE(directory.create_user(as("ann"), "zoe", kPassword).ok());
  EXPECT_EQ(reason(directory.delete_user(as("ann"), "ann")), "principal.self");
  ASSERT_TRUE(directory.set_admin(root, "ann", false).ok());
  EXPECT_FALSE(directory.is_admin(as("ann")));
  ASSERT_TRUE(directory.delete_user(root, "zoe").ok());
  EXPECT_EQ(reason(directory.user(root, "zoe")), "principal.not_found");
  EXPECT_FALSE(auth.check_password("zoe", kPassword).ok());
}

TEST_P(DirectoryTest, ARoleGivesWhatItGrantsWhileSomebodyHasIt) {
  const NamedRole loggers = role_of("default", "loggers");
  EXPECT_EQ(reason(directory.create_role(as("ann"), loggers)), "auth.forbidden");
  EXPECT_EQ(reason(directory.create_role(root, loggers)), "role.exists");
  const auto may = [&](const char* who) {
    return auth.role_on(as(who), "experiment", "7").value();
  };
  const Permission edit =
      directory.add_permission(root, loggers.number, permission(Role::kEdit)).value();
  EXPECT_EQ(reason(directory.add_permission(root, loggers.number, permission(Role::kEdit))),
            "grant.exists");
  EXPECT_EQ(may("ann"), Role::kRead);
  ASSERT_TRUE(directory.assign(root, "ann", loggers.number).ok());
  EXPECT_EQ(reason(directory.assign(root, "ann", loggers.number)), "member.exists");
  EXPECT_EQ(may("ann"), Role::kEdit);
  EXPECT_EQ(may("bob"), Role::kRead);
  ASSERT_TRUE(directory.change_permission(root, edit.number, Role::kUse, false).ok());
  EXPECT_EQ(may("ann"), Role::kUse);
  EXPECT_EQ(directory.members(root, loggers.number).value().size(), 1U);
  ASSERT_TRUE(directory.unassign(root, "ann", loggers.number).ok());
  EXPECT_EQ(reason(directory.unassign(root, "ann", loggers.number)), "member.not_found");
  EXPECT_EQ(may("ann"), Role::kRead);
  ASSERT_TRUE(directory.delete_role(root, loggers.number).ok());
  EXPECT_EQ(reason(directory.role(root, loggers.number)), "role.not_found");
  EXPECT_EQ(reason(directory.permission(root, edit.number)), "grant.not_found");
}

TEST_P(DirectoryTest, AGrantOnOneObjectTakesItsManager) {
  ASSERT_TRUE(directory.grant(root, "ann", permission(Role::kManage, "7")).ok());
  EXPECT_EQ(reason(directory.grant(as("bob"), "eve", permission(Role::kRead, "7"))),
            "auth.forbidden");
  ASSERT_TRUE(directory.grant(as("ann"), "bob", permission(Role::kEdit, "7")).ok());
  EXPECT_EQ(directory.effective(root, "bob", permission(Role::kNone, "7")).value(), Role::kEdit);
  EXPECT_EQ(directory.effective(root, "bob", permission(Role::kNone, "8")).value(), Role::kRead);
  Permission deny = permission(Role::kNone, "7");
  deny.deny = true;
  ASSERT_TRUE(directory.grant(as("ann"), "eve", deny).ok());
  EXPECT_EQ(directory.effective(root, "eve", permission(Role::kNone, "7")).value(), Role::kNone);
  ASSERT_TRUE(directory.revoke(as("ann"), "eve", deny).ok());
  EXPECT_EQ(directory.effective(root, "eve", permission(Role::kNone, "7")).value(), Role::kRead);
  EXPECT_EQ(reason(directory.revoke(as("ann"), "eve", deny)), "grant.not_found");
}

TEST_P(DirectoryTest, AProjectHasItsOwnPeople) {
  EXPECT_EQ(reason(directory.create_project(as("ann"), {"team", {}})), "auth.forbidden");
  ASSERT_TRUE(directory.create_project(root, {"team", "of the test"}).ok());
  EXPECT_EQ(reason(directory.create_project(root, {"team", {}})), "project.exists");
  EXPECT_EQ(reason(directory.create_project(root, {"a b", {}})), "project.name");
  EXPECT_EQ(directory.project(root, "team").value().description, "of the test");
  const auto sees = [&](const char* who) {
    for (const ProjectInfo& p : directory.projects(as(who)).value())
      if (p.name == "team") return true;
    return false;
  };
  EXPECT_FALSE(sees("ann"));
  for (const NamedRole& role : directory.roles(root, {"team"}).value()) {
    if (role.name != "user" && role.name != "admin") continue;
    const char* who = role.name == "user" ? "ann" : "bob";
    ASSERT_TRUE(directory.assign(root, who, role.number).ok());
  }
  EXPECT_TRUE(sees("ann"));
  EXPECT_FALSE(sees("eve"));
  EXPECT_FALSE(directory.manages(as("ann", "team"), "team"));
  EXPECT_TRUE(directory.manages(as("bob", "team"), "team"));
  EXPECT_FALSE(directory.manages(as("bob"), "default"));
  NamedRole mine;
  mine.project = "team";
  mine.name = "readers";
  EXPECT_TRUE(directory.create_role(as("bob", "team"), mine).ok());
  ASSERT_TRUE(directory.delete_project(root, "team").ok());
  EXPECT_FALSE(sees("ann"));
  EXPECT_EQ(reason(directory.project(root, "team")), "project.not_found");
}

}  // namespace
}  // namespace slip::auth
