#include "notify/webhooks.h"

#include <deque>

#include <gtest/gtest.h>

#include "base/text.h"
#include "codec/hash.h"
#include "codec/json.h"
#include "core/ledger/ledger.h"
#include "notify/events.h"
#include "sys/rng.h"
#include "test/fake/clock.h"
#include "test/store/dbs.h"

namespace slip::notify {
namespace {

// Remembers what was sent; answers as told, then 200.
class FakeSender final : public Sender {
 public:
  Answer send(const Outgoing& request) override {
    sent.push_back(request);
    if (answers.empty()) return Answer{.status = 200, .body = "ok", .error = {}};
    Answer next = answers.front();
    answers.pop_front();
    return next;
  }
  std::deque<Answer> answers;
  std::vector<Outgoing> sent;
};

std::string header(const Outgoing& request, std::string_view name) {
  for (const auto& [key, value] : request.headers)
    if (key == name) return value;
  return "";
}

class WebhooksTest : public test::DbTest {
 protected:
  void SetUp() override {
    std::vector<store::Migration> steps;
    for (const auto& all : {ledger::migrations(), migrations()})
      steps.insert(steps.end(), all.begin(), all.end());
    migrated(steps);
    open({});
  }
  void open(Webhooks::Options options) {
    // Versions belong to the model that is called like them.
    std::vector<ledger::Scope> scopes = {
        {"model_version", "'model'", "SELECT 'model of ' || e.uid"}};
    events = std::make_unique<ledger::Ledger>(
        ledger::Ledger::Deps{db(), clock, real_rng(), std::move(scopes)});
    hooks = std::make_unique<Webhooks>(Webhooks::Deps{db(), *events, sender, clock, real_rng()},
                                       options);
  }
  Webhook make(std::vector<std::string> wanted = {"model_version.created"},
               const std::string& url = "https://hooks.example/x") {
    Webhook w;
    w.name = "ci";
    w.url = url;
    w.secret = "s3cret";
    w.events = std::move(wanted);
    return hooks->create(ctx, w).value();
  }
  // As databricks-sdk makes them.
  Webhook make_registry(std::vector<std::string> wanted, const std::string& model_uid = "") {
    Webhook w;
    w.form = Form::kDatabricks;
    w.url = "https://hooks.example/r";
    w.secret = "s3cret";
    w.credentials = "Bearer t0ken";
    w.model_uid = model_uid;
    w.model_name = model_uid.empty() ? "" : "fraud";
    w.events = std::move(wanted);
    return hooks->create(ctx, w).value();
  }
  void happen(const std::string& verb, codec::Json body = codec::Json::object()) {
    ledger::Draft draft;
    draft.verb = verb;
    draft.subject = {
        .kind = "model_version", .uid = "u1", .name = "fraud", .version = "3", .digest = "d"};
    draft.body = std::move(body);
    happen(draft);
  }
  void happen(const ledger::Draft& draft) {
    db().write([&](store::Tx& tx) { return events->append(tx, ctx, draft); }).value();
    while (events->number_pending().value() > 0) {  // On PostgreSQL nobody reads them before.
    }
  }
  void collect() {
    while (hooks->collect().value()) {}
  }
  // One round of the duty; how many were taken by their receivers.
  int send() {
    int taken = 0;
    for (const Due& due : hooks->claim().value()) taken += hooks->attempt(due).value() ? 1 : 0;
    return taken;
  }
  std::vector<Delivery> log(const Webhook& w) {
    return hooks->deliveries(ctx, w.uid, {}).value().items;
  }

  Ctx ctx;
  test::FakeClock clock;
  FakeSender sender;
  std::unique_ptr<ledger::Ledger> events;
  std::unique_ptr<Webhooks> hooks;
};
SLIP_EVERY_DB(WebhooksTest);

TEST_P(WebhooksTest, TellsAnEventOnceAndSigned) {
  const Webhook w = make();
  happen("model_version.created", codec::Json::object({{"source", "runs:/1/m"}, {"run_id", "1"}}));
  happen("model_version.deleted");  // Nobody can ask for it.
  collect();
  collect();
  EXPECT_EQ(send(), 1);
  EXPECT_EQ(send(), 0);
  ASSERT_EQ(sender.sent.size(), 1U);
  const Outgoing& got = sender.sent[0];
  EXPECT_EQ(got.body,
            R"({"entity": "model_version", "action": "created", "timestamp": )"
            R"("2023-11-14T22:13:20.000000+00:00", "data": {"name": "fraud", "version": "3", )"
            R"("source": "runs:/1/m", "run_id": "1", "tags": {}, "description": null}})");
  const std::string id = header(got, "X-MLflow-Delivery-Id");
  EXPECT_EQ(header(got, "X-MLflow-Timestamp"), "1700000000");
  EXPECT_EQ(header(got, "X-MLflow-Signature"),
            "v1," + to_base64(codec::hmac_sha256("s3cret", id + ".1700000000." + got.body)));
  const auto rows = log(w);
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0].uid, id);
  EXPECT_EQ(rows[0].state, "delivered");
  EXPECT_EQ(rows[0].status, 200);
  EXPECT_EQ(rows[0].response, "ok");
}

TEST_P(WebhooksTest, TellsTheOtherFormInItsWords) {
  const Webhook w = make_registry(
      {"MODEL_VERSION_TRANSITIONED_STAGE", "MODEL_VERSION_TRANSITIONED_TO_PRODUCTION"});
  happen("stage.transitioned", codec::Json::object({{"from", "None"}, {"to", "Production"}}));
  collect();
  clock.advance_ms(1);  // Lists are in the order of the ids, which are of this time.
  happen("stage.transitioned", codec::Json::object({{"from", "None"}, {"to", "Staging"}}));
  happen("comment.created");  // It didn't ask.
  collect();
  EXPECT_EQ(send(), 1);  // One at a time, and one of each event.
  EXPECT_EQ(send(), 1);
  EXPECT_EQ(send(), 0);
  const Outgoing& got = sender.sent[0];
  EXPECT_EQ(got.body,
            R"({"event": "MODEL_VERSION_TRANSITIONED_TO_PRODUCTION", "webhook_id": ")" + w.uid +
                R"(", "event_timestamp": 1700000000000, "model_name": "fraud", "version": "3", )"
                R"("to_stage": "Production", "from_stage": "None", "text": "Version 3 of )"
                R"(registered model 'fraud' went from None to Production."})");
  EXPECT_EQ(header(got, "X-Databricks-Signature"), to_hex(codec::hmac_sha256("s3cret", got.body)));
  EXPECT_EQ(header(got, "Authorization"), "Bearer t0ken");
  EXPECT_EQ(header(got, "X-MLflow-Signature"), "");
  EXPECT_EQ(log(w)[1].uid, header(got, "X-Slipway-Delivery-Id"));
  EXPECT_EQ(log(w)[1].event, "MODEL_VERSION_TRANSITIONED_TO_PRODUCTION");
  EXPECT_EQ(log(w)[0].event, "MODEL_VERSION_TRANSITIONED_STAGE");
}

TEST_P(WebhooksTest, OneOfAModelHearsOfThatModelAlone) {
  const Webhook own = make_registry({"MODEL_VERSION_CREATED"}, "model of u1");
  const Webhook other = make_registry({"MODEL_VERSION_CREATED"}, "model of u2");
  const Webhook all = make_registry({"MODEL_VERSION_CREATED", "REGISTERED_MODEL_CREATED"});
  happen("model_version.created");
  ledger::Draft renamed;
  renamed.verb = "registered_model.renamed";
  renamed.subject = {.kind = "registered_model",
                     .uid = "model of u1",
                     .name = "fraud-2",
                     .version = {},
                     .digest = {}};
  happen(renamed);
  happen("model_version.created");
  collect();
  EXPECT_EQ(log(own).size(), 2U);
  EXPECT_EQ(log(other).size(), 0U);
  EXPECT_EQ(log(all).size(), 2U);
  EXPECT_EQ(hooks->get(ctx, own.uid).value().model_name, "fraud-2");
  EXPECT_EQ(hooks->get(ctx, other.uid).value().model_name, "fraud");
}

TEST_P(WebhooksTest, FormsDontMeet) {
  const Webhook plain = make();
  const Webhook registry = make_registry({"COMMENT_CREATED"}, "m1");
  const auto uids = [&](const Webhooks::Query& query) {
    std::vector<std::string> out;
    for (const Webhook& w : hooks->list(ctx, query).value().items) out.push_back(w.uid);
    return out;
  };
  using Uids = std::vector<std::string>;
  EXPECT_EQ(uids({.mlflow_only = true}), Uids{plain.uid});
  EXPECT_EQ(uids({.form = Form::kDatabricks}), Uids{registry.uid});
  EXPECT_EQ(uids({}).size(), 2U);
  EXPECT_EQ(uids({.model_uid = "m1"}), Uids{registry.uid});
  EXPECT_EQ(uids({.model_uid = "m2"}), Uids{});
  EXPECT_EQ(uids({.events = {"COMMENT_CREATED", "MODEL_VERSION_CREATED"}}), Uids{registry.uid});
  EXPECT_EQ(uids({.events = {"MODEL_VERSION_CREATED"}}), Uids{});
  const auto reason = [](const auto& got) { return got.ok() ? "" : got.error().reason; };
  EXPECT_EQ(reason(hooks->list(ctx, {.events = {"%"}})), "webhook.events");
  EXPECT_EQ(reason(hooks->get(ctx, registry.uid, Form::kMlflow)), "webhook.not_found");
  EXPECT_EQ(reason(hooks->update(ctx, registry.uid, {}, Form::kMlflow)), "webhook.not_found");
  EXPECT_EQ(reason(hooks->test(ctx, registry.uid, "", Form::kMlflow)), "webhook.not_found");
  EXPECT_EQ(reason(hooks->remove(ctx, plain.uid, Form::kDatabricks)), "webhook.not_found");
  EXPECT_EQ(reason(hooks->test(ctx, registry.uid, "model_version.created")), "webhook.events");
  EXPECT_EQ(reason(hooks->test(ctx, plain.uid, "COMMENT_CREATED")), "webhook.events");
  Change change;
  change.events = {"model_version.created"};
  EXPECT_EQ(reason(hooks->update(ctx, registry.uid, change)), "webhook.events");
  change.events = {"REGISTERED_MODEL_CREATED"};  // Of a model that is there already.
  EXPECT_EQ(reason(hooks->update(ctx, registry.uid, change)), "webhook.events");
}

TEST_P(WebhooksTest, ATestModeIsOnlyTested) {
  const Webhook w = make_registry({"COMMENT_CREATED"});
  Change change;
  change.active = false;
  change.test_mode = true;
  EXPECT_TRUE(hooks->update(ctx, w.uid, change).value().test_mode);
  happen("comment.created");
  collect();
  EXPECT_TRUE(log(w).empty());
  EXPECT_EQ(hooks->test(ctx, w.uid, "").value().status, 200);
  EXPECT_EQ(sender.sent.size(), 1U);
  change.active = true;
  const Webhook on = hooks->update(ctx, w.uid, change).value();
  EXPECT_TRUE(on.active);
  EXPECT_FALSE(on.test_mode);
}

TEST_P(WebhooksTest, CredentialsStayWithTheirReceiver) {
  const Webhook w = make_registry({"COMMENT_CREATED"});
  // Hosts serve more than one: any other URL may be somebody else's.
  for (const char* url : {"https://elsewhere.example/r", "https://hooks.example/other"}) {
    Change change;
    change.url = url;
    EXPECT_EQ(hooks->update(ctx, w.uid, change).error().reason, "webhook.credentials") << url;
    change.credentials = "Basic eA==";
    EXPECT_EQ(hooks->update(ctx, w.uid, change).value().credentials, "Basic eA==");
    change.url = w.url;
    change.credentials = w.credentials;
    hooks->update(ctx, w.uid, change).value();
  }
  Change same;
  same.url = w.url;
  EXPECT_EQ(hooks->update(ctx, w.uid, same).value().credentials, "Bearer t0ken");
  for (const char* bad : {"a\r\nb", "a\nb", " a", "a ", "\xc3\xbc"}) {
    Change change;
    change.credentials = bad;
    EXPECT_EQ(hooks->update(ctx, w.uid, change).error().reason, "webhook.credentials") << bad;
  }
  Change longest;
  longest.credentials = std::string(kCredentialsMax, 'a');
  EXPECT_TRUE(hooks->update(ctx, w.uid, longest).ok());
  longest.credentials->push_back('a');
  EXPECT_EQ(hooks->update(ctx, w.uid, longest).error().reason, "webhook.credentials");
  longest.credentials = w.credentials;
  hooks->update(ctx, w.uid, longest).value();
  // Also when the receiver says them again.
  happen("comment.created");
  collect();
  sender.answers.push_back(
      {.status = 500, .body = "you sent 'Bearer t0ken' and t0ken", .error = "t0ken is wrong"});
  EXPECT_EQ(send(), 0);
  EXPECT_EQ(log(w)[0].response, "you sent '***' and ***");
  EXPECT_EQ(log(w)[0].error, "*** is wrong");
  for (const ledger::Event& e : events->list({.verb = "webhook."}).value())
    EXPECT_EQ((e.leaf + codec::to_json(*e.body)).find("t0ken"), std::string::npos);
}

TEST_P(WebhooksTest, TriesLongerAndLongerThenGivesUp) {
  const Webhook w = make();
  happen("model_version.created");
  collect();
  for (int i = 0; i < kAttemptsMax; ++i)
    sender.answers.push_back({.status = 503, .body = "later", .error = "answered 503"});
  int64_t wait = kBackoffFirstMs;
  for (int64_t i = 1; i < kAttemptsMax; ++i, wait *= kBackoffFactor) {
    EXPECT_EQ(send(), 0);
    const Delivery d = log(w)[0];
    EXPECT_EQ(d.attempts, i);
    EXPECT_EQ(d.state, "pending");
    EXPECT_EQ(d.status, 503);
    const int64_t left = d.next_ms - clock.now_ms();
    EXPECT_GE(left, wait * 8 / 10);
    EXPECT_LE(left, std::min(wait * 12 / 10 + 1, kBackoffMaxMs));
    clock.advance_ms(left - 1);
    EXPECT_TRUE(hooks->claim().value().empty());  // Not before.
    clock.advance_ms(1);
  }
  EXPECT_EQ(send(), 0);
  EXPECT_EQ(log(w)[0].state, "failed");
  clock.advance_ms(2 * kBackoffMaxMs);
  EXPECT_EQ(send(), 0);
  EXPECT_EQ(sender.sent.size(), static_cast<size_t>(kAttemptsMax));
  for (const Outgoing& one : sender.sent)  // The receiver can tell that it is the same.
    EXPECT_EQ(header(one, "X-MLflow-Delivery-Id"), log(w)[0].uid);
}

TEST_P(WebhooksTest, WaitsAsLongAsTheReceiverAsks) {
  const Webhook w = make();
  happen("model_version.created");
  collect();
  sender.answers.push_back(
      {.status = 429, .body = "", .error = "answered 429", .retry_after_ms = 90'000});
  send();
  EXPECT_EQ(log(w)[0].next_ms, clock.now_ms() + 90'000);
  clock.advance_ms(90'000);
  EXPECT_EQ(send(), 1);
}

TEST_P(WebhooksTest, ASlowReceiverHoldsUpNobodyElse) {
  const Webhook slow = make();
  const Webhook quick = make();
  happen("model_version.created");
  happen("model_version.created");
  collect();
  const std::vector<Due> first = hooks->claim().value();
  ASSERT_EQ(first.size(), 2U);  // Of each one.
  for (const Due& due : first) {
    if (due.delivery.webhook_uid == quick.uid) {
      EXPECT_TRUE(hooks->attempt(due).value());
    }
  }
  const std::vector<Due> second = hooks->claim().value();  // The slow one is still at it.
  ASSERT_EQ(second.size(), 1U);
  EXPECT_EQ(second[0].delivery.webhook_uid, quick.uid);
  EXPECT_TRUE(hooks->attempt(second[0]).value());
  EXPECT_TRUE(hooks->claim().value().empty());
}

TEST_P(WebhooksTest, AnAttemptThatDiedIsMadeAgainWithItsId) {
  const Webhook w = make();
  happen("model_version.created");
  collect();
  const std::vector<Due> dead = hooks->claim().value();
  ASSERT_EQ(dead.size(), 1U);
  open({});  // The process starts anew.
  collect();
  EXPECT_TRUE(hooks->claim().value().empty());
  clock.advance_ms(kLeaseMs);
  const std::vector<Due> again = hooks->claim().value();
  ASSERT_EQ(again.size(), 1U);
  EXPECT_EQ(again[0].delivery.uid, dead[0].delivery.uid);
  EXPECT_EQ(again[0].delivery.attempts, 2);
  EXPECT_TRUE(hooks->attempt(again[0]).value());
  EXPECT_EQ(log(w).size(), 1U);
}

TEST_P(WebhooksTest, ADisabledOneStopsAndADeletedOneIsForgotten) {
  const Webhook w = make();
  happen("model_version.created");
  collect();
  Change off;
  off.active = false;
  hooks->update(ctx, w.uid, off).value();
  happen("model_version.created");
  collect();
  EXPECT_EQ(send(), 0);
  EXPECT_EQ(log(w).size(), 1U);
  Change on;
  on.active = true;
  hooks->update(ctx, w.uid, on).value();
  EXPECT_EQ(send(), 1);
  hooks->remove(ctx, w.uid).value();
  EXPECT_EQ(hooks->get(ctx, w.uid).error().reason, "webhook.not_found");
  EXPECT_EQ(hooks->remove(ctx, w.uid).error().reason, "webhook.not_found");
  EXPECT_EQ(hooks->tidy().value(), 1);
  EXPECT_EQ(hooks->tidy().value(), 0);
}

TEST_P(WebhooksTest, OnlyWhatHappensAfterwardsInItsProjectIsTold) {
  happen("model_version.created");
  clock.advance_ms(10);
  const Webhook w = make({"model_version.created", "approval.*"});
  EXPECT_EQ(w.events.size(), 8U);
  ctx.project.text = "other";
  happen("model_version.created");
  ctx.project = {kDefaultProject};
  happen("approval.granted", codec::Json::object({{"target", "Production"}}));
  collect();
  EXPECT_EQ(send(), 1);
  const codec::Json got = codec::parse_json(sender.sent[0].body).value();
  EXPECT_EQ(got.find("entity")->as_string(), "approval");
  EXPECT_EQ(got.find("data")->find("target")->as_string(), "Production");
  EXPECT_EQ(got.find("data")->find("name")->as_string(), "fraud");
}

TEST_P(WebhooksTest, ReplaysWhatHasEnded) {
  const Webhook w = make();
  happen("model_version.created");
  collect();
  const std::string first = log(w)[0].uid;
  EXPECT_EQ(hooks->replay(ctx, w.uid, first).error().reason, "delivery.pending");
  EXPECT_EQ(send(), 1);
  EXPECT_EQ(hooks->replay(ctx, w.uid, first).value().replay_of, first);
  EXPECT_EQ(send(), 1);
  EXPECT_EQ(sender.sent[0].body, sender.sent[1].body);
  EXPECT_NE(header(sender.sent[0], "X-MLflow-Delivery-Id"),
            header(sender.sent[1], "X-MLflow-Delivery-Id"));
  EXPECT_EQ(hooks->replay(ctx, w.uid, "none").error().reason, "delivery.not_found");
}

TEST_P(WebhooksTest, TheSecretStaysOutOfTheLedger) {
  const Webhook w = make({"model_version.created"}, "https://hooks.example/token-in-path");
  Change change;
  change.secret = "an0ther";
  hooks->update(ctx, w.uid, change).value();
  while (events->number_pending().value() > 0) {}
  const auto told = events->list({.verb = "webhook."}).value();
  ASSERT_EQ(told.size(), 2U);
  for (const ledger::Event& e : told)
    for (const char* secret : {"s3cret", "an0ther", "token-in-path"})
      EXPECT_EQ((e.leaf + codec::to_json(*e.body)).find(secret), std::string::npos);
}

TEST_P(WebhooksTest, BadInputIsRefused) {
  struct Case {
    const char* name;
    const char* url;
    const char* event;
    const char* reason;
  };
  const Case cases[] = {
      {"Upper", "https://a.example", "model_version.created", "webhook.name"},
      {"", "https://a.example", "model_version.created", "webhook.name"},
      {"-a", "https://a.example", "model_version.created", "webhook.name"},
      {"a", "", "model_version.created", "webhook.url"},
      {"a", "http://a.example", "model_version.created", "webhook.url"},
      {"a", "ftp://a.example", "model_version.created", "webhook.url"},
      {"a", "https:///x", "model_version.created", "webhook.url"},
      {"a", "https://u:p@a.example/", "model_version.created", "webhook.url"},
      {"a", "https://a.example/\r\nX: y", "model_version.created", "webhook.url"},
      {"a", "https://127.0.0.1/", "model_version.created", "webhook.url"},
      {"a", "https://127.1/", "model_version.created", "webhook.url"},
      {"a", "https://2130706433/", "model_version.created", "webhook.url"},
      {"a", "https://localhost/", "model_version.created", "webhook.url"},
      {"a", "https://[::1]/", "model_version.created", "webhook.url"},
      {"a", "https://[::ffff:10.0.0.1]/", "model_version.created", "webhook.url"},
      {"a", "https://169.254.169.254/latest", "model_version.created", "webhook.url"},
      {"a", "https://100.64.0.1/", "model_version.created", "webhook.url"},
      {"a", "https://224.0.0.1/", "model_version.created", "webhook.url"},
      {"a", "https://a.example", "model_version.deleted", "webhook.events"},
      {"a", "https://a.example", "", "webhook.events"},
  };
  for (const Case& c : cases) {
    Webhook w;
    w.name = c.name;
    w.url = c.url;
    w.events = {c.event};
    const auto made = hooks->create(ctx, w);
    ASSERT_FALSE(made.ok()) << c.url;
    EXPECT_EQ(made.error().reason, c.reason) << c.name << " " << c.url;
  }
  EXPECT_TRUE(hooks->list(ctx, {}).value().items.empty());
  open({.allow_http = true, .allow_private = true});
  const Webhook w = make({"stage.transitioned"}, "http://127.0.0.1:8080/x?y=1");
  open({});  // No longer allowed: nothing is sent there.
  happen("stage.transitioned");
  collect();
  EXPECT_EQ(send(), 0);
  EXPECT_EQ(hooks->test(ctx, w.uid, "").value().status, 0);
  EXPECT_TRUE(sender.sent.empty());
}

TEST_P(WebhooksTest, ListsByPageAndOnlyForMlflow) {
  for (int i = 0; i < 5; ++i) {
    make(i % 2 == 0 ? std::vector<std::string>{"prompt.created"}
                    : std::vector<std::string>{"stage.transitioned"});
    clock.advance_ms(1);
  }
  Webhooks::Query query;
  query.max_results = 2;
  query.mlflow_only = true;
  const auto first = hooks->list(ctx, query).value();
  EXPECT_EQ(first.items.size(), 2U);
  query.page_token = first.next_page_token;
  const auto second = hooks->list(ctx, query).value();
  EXPECT_EQ(second.items.size(), 1U);
  EXPECT_EQ(second.next_page_token, "");
  EXPECT_EQ(hooks->list(ctx, {}).value().items.size(), 5U);
  query.max_results = 1001;
  EXPECT_EQ(hooks->list(ctx, query).error().reason, "webhook.max_results");
}

TEST_P(WebhooksTest, AProjectHasOnlySoMany) {
  for (int64_t i = 0; i < kWebhooksMax; ++i) make();
  Webhook w;
  w.name = "one-more";
  w.url = "https://a.example";
  w.events = {"prompt.created"};
  EXPECT_EQ(hooks->create(ctx, w).error().reason, "webhook.limit");
}

// Webhooks from before there were two forms go on as what they were.
class OldWebhooksTest : public test::DbTest {};
SLIP_EVERY_DB(OldWebhooksTest);

TEST_P(OldWebhooksTest, AreMlflows) {
  std::vector<store::Migration> steps;
  for (const store::Migration& step : ledger::migrations()) steps.push_back(step);
  steps.push_back(migrations().front());
  migrated(steps);
  db().write([](store::Tx& tx) -> Status {
        TRY(tx.exec(
            "INSERT INTO webhook (project, uid, name, url, description, secret, active, events,"
            " for_mlflow, created_ms, updated_ms) VALUES ('default', 'w', 'ci', "
            "'https://a.example',"
            " '', 's', 1, 'model_version.created stage.transitioned', 1, 1, 1)",
            {}));
        return {};
      })
      .value();
  steps.assign(ledger::migrations().begin(), ledger::migrations().end());
  steps.insert(steps.end(), migrations().begin(), migrations().end());
  migrated(steps);
  test::FakeClock clock;
  FakeSender sender;
  ledger::Ledger events({db(), clock, real_rng()});
  Webhooks hooks({db(), events, sender, clock, real_rng()}, {});
  const Webhook w = hooks.get({}, "w", Form::kMlflow).value();
  EXPECT_EQ(w.events.size(), 2U);
  EXPECT_TRUE(w.active);
  EXPECT_FALSE(w.test_mode);
  EXPECT_EQ(w.model_uid + w.model_name + w.credentials, "");
}

TEST(WebhookEvents, PromptsHaveTheirOwn) {
  ledger::Event e;
  e.subject.name = "greet";
  e.subject.version = "2";
  const auto tell = [&](const char* verb, const char* body) {
    e.verb = verb;
    e.body = codec::parse_json(body).value();
    const auto what = occurrence_of(e);
    return what ? what->event + " " + codec::to_json(what->data) : "";
  };
  EXPECT_EQ(tell("model_version.created",
                 R"({"prompt":true,"tags":{"mlflow.prompt.text":"Hi","mlflow.prompt.is_prompt":)"
                 R"("true","a":"b"}})"),
            R"(prompt_version.created {"name":"greet","version":"2","template":"Hi","tags":)"
            R"({"a":"b"},"description":null})");
  e.subject.version = "";
  EXPECT_EQ(tell("registered_model_tag.set", R"({"prompt":true,"key":"k","value":"v"})"),
            R"(prompt_tag.set {"name":"greet","key":"k","value":"v"})");
  e.subject.version = "2";
  EXPECT_EQ(tell("registered_model_tag.set", R"({"key":"k","value":"v"})"), "");
  EXPECT_EQ(tell("model_alias.set", R"({"alias":"a"})"),
            R"(model_version_alias.created {"name":"greet","alias":"a","version":"2"})");
}

TEST(WebhookEvents, EachHasAnExampleAndAName) {
  for (const EventKind& k : event_kinds()) {
    const std::string name = concat({k.entity, ".", k.action});
    EXPECT_EQ(find_kind(name), &k);
    EXPECT_TRUE(example_of(name).find("name") || example_of(name).find("budget_unit")) << name;
  }
  EXPECT_EQ(find_kind("model_version"), nullptr);
  EXPECT_EQ(codec::to_json(example_of("prompt_version.created")),
            R"({"name":"example_prompt","version":"1","template":"Hello {{name}}!","tags":)"
            R"({"example_key":"example_value"},"description":"An example prompt version"})");
}

}  // namespace
}  // namespace slip::notify
