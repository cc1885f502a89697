#include <array>

#include "base/text.h"
#include "cli/print.h"
#include "cli/rest.h"
#include "codec/yaml.h"
#include "sys/fs.h"

namespace slip::cli {
namespace {

using codec::Json;

constexpr std::array kRequestColumns = {
    Column{"VERSION", "version"}, Column{"TO", "to"},
    Column{"STATE", "state"},     Column{"BY", "requester"},
    Column{"COMMENT", "comment"}, Column{"BACK TO", "rollback_plan.version"},
    Column{"UID", "uid"},
};
constexpr std::array kInboxColumns = {
    Column{"MODEL", "model"},
    Column{"VERSION", "version"},
    Column{"TO", "to"},
    Column{"STATE", "state"},
    Column{"BY", "requester"},
    Column{"APPROVALS", "approvals_count"},
    Column{"OF", "approvals_needed"},
    Column{"CREATED_MS", "created_ms"},
    Column{"EXPIRES_MS", "expires_ms"},
};
constexpr std::array kPolicyColumns = {
    Column{"TARGET", "target"},       Column{"APPROVALS", "approvals"},
    Column{"APPROVERS", "approvers"}, Column{"GATE", "gate"},
    Column{"PLAN", "rollback_plan"},  Column{"REVIEW", "review"},
    Column{"WAIVERS", "waivers"},     Column{"DEFAULT", "is_default"},
};
constexpr std::array kStageColumns = {Column{"STAGE", "stage"}, Column{"BUILT IN", "builtin"}};
constexpr std::array kCommentColumns = {Column{"BY", "actor"}, Column{"CREATED_MS", "created_ms"},
                                        Column{"COMMENT", "comment"}};
constexpr std::array kReviewColumns = {
    Column{"STATE", "state"},   Column{"TITLE", "title"},           Column{"OWNER", "owner"},
    Column{"DUE_MS", "due_ms"}, Column{"CONCLUSION", "conclusion"}, Column{"UID", "uid"},
};
constexpr int64_t kHourMs = 3'600'000;

Result<int> stages(Call& call, Remote& remote) {
  const std::string path = at_model(call) + "/stages";
  if (call.has("add")) TRY(remote.post(path, Json::object({{"stage", call.text("add")}})));
  if (call.has("drop"))
    TRY(remote.call(http::Method::kDelete, concat({path, "/", percent_encode(call.text("drop"))}),
                    nullptr));
  print_rows(call, TRY(remote.all(path)), kStageColumns);
  return 0;
}

Result<int> policy(Call& call, Remote& remote, Fs& fs) {
  const std::string path = at_model(call) + "/policies";
  const std::string target = call.argument(1);
  const bool changes = call.has("file") || call.on("drop");
  if (changes && target.empty())
    return invalid("usage.argument_missing", "which target? A stage, or @ALIAS");
  const std::string one = concat({path, "/", percent_encode(target)});
  if (call.has("file")) {
    const Json wanted = TRY(read_yaml(fs, call.text("file")));
    print_fields(call, TRY(remote.call(http::Method::kPut, one, &wanted)));
    return 0;
  }
  if (call.on("drop")) TRY(remote.call(http::Method::kDelete, one, nullptr));
  print_rows(call, TRY(remote.all(path)), kPolicyColumns);
  return 0;
}

Result<int> request(Call& call, Remote& remote) {
  Json body =
      Json::object({{"to", call.text("to", "Production")}, {"comment", call.text("comment")}});
  if (const auto back = TRY(call.number("rollback-to"))) body.set("rollback_to", *back);
  if (call.has("rollback-owner")) body.set("rollback_owner", call.text("rollback-owner"));
  if (call.on("archive")) body.set("archive_existing", true);
  if (const auto hours = TRY(call.number("hours"))) {
    if (*hours < 1 || *hours > 366 * 24) return invalid("usage.number", "--hours is 1 to 8784");
    body.set("ttl_ms", *hours * kHourMs);
  }
  print_fields(call, TRY(remote.post(concat({TRY(at_version(call)), "/requests"}), body)));
  return 0;
}

Result<int> requests(Call& call, Remote& remote) {
  const std::string query = query_of({{"open", call.on("open") ? "true" : ""}});
  print_rows(call, TRY(remote.all(concat({at_model(call), "/requests", query}))), kRequestColumns);
  return 0;
}

Result<int> inbox(Call& call, Remote& remote) {
  const std::string_view whose = call.on("mine") ? "mine" : call.on("all") ? "all" : "waiting";
  const std::string query =
      query_of({{"whose", std::string(whose)}, {"state", call.text("state")}});
  print_rows(call, TRY(remote.all("/requests" + query)), kInboxColumns);
  return 0;
}

Result<int> cancel(Call& call, Remote& remote) {
  const Json body =
      Json::object({{"to", call.text("to", "Production")}, {"comment", call.text("comment")}});
  print_fields(call, TRY(remote.post(concat({TRY(at_version(call)), "/requests/cancel"}), body)));
  return 0;
}

Result<int> comment(Call& call, Remote& remote) {
  const std::string path = concat({TRY(at_version(call)), "/comments"});
  if (call.has("text")) TRY(remote.post(path, Json::object({{"comment", call.text("text")}})));
  print_rows(call, TRY(remote.all(path)), kCommentColumns);
  return 0;
}

Result<int> review(Call& call, Remote& remote, Fs& fs) {
  const std::string path = concat({TRY(at_version(call)), "/reviews"});
  if (call.has("open")) {
    print_fields(call, TRY(remote.post(path, TRY(read_yaml(fs, call.text("open"))))));
    return 0;
  }
  const bool pass = call.has("pass");
  if (pass || call.has("fail")) {
    const std::string uid = call.text(pass ? "pass" : "fail");
    const Json body = Json::object({{"passed", pass}, {"conclusion", call.text("conclusion")}});
    print_fields(call, TRY(remote.post(concat({path, "/", percent_encode(uid), "/close"}), body)));
    return 0;
  }
  print_rows(call, TRY(remote.all(path)), kReviewColumns);
  return 0;
}

const std::vector<Argument> kModel = {{"MODEL", "name of the model"}};
const std::vector<Argument> kModelVersion = {{"MODEL", "name of the model"},
                                             {"VERSION", "its number"}};

}  // namespace

std::string at_model(const Call& call) {
  return concat({"/models/", percent_encode(call.argument(0))});
}

Result<std::string> at_version(const Call& call) {
  const std::optional<int64_t> version = parse_int(call.argument(1));
  if (!version) return invalid("usage.number", "VERSION wants a whole number");
  return concat({at_model(call), "/versions/", std::to_string(*version)});
}

Result<Json> read_yaml(Fs& fs, const std::string& path) {
  const std::string text = TRY(read_file(fs, path, static_cast<int64_t>(codec::kYamlBytesMax)));
  Result<Json> parsed = codec::parse_yaml(text);
  if (!parsed.ok()) return std::move(parsed).error().within(path);
  return parsed;
}

void add_request_commands(Commands& commands, const Connect& connect, Fs& fs) {
  const auto remote = [connect](auto run) {
    return [connect, run](Call& call) -> Result<int> {
      const std::unique_ptr<Remote> server = TRY(connect(call));
      return run(call, *server);
    };
  };
  const Option to = {"to", "TARGET", "A stage, or @ALIAS [Production]."};
  const Option text = {"comment", "TEXT", "Kept with the request."};
  commands.add(
      {"model stages",
       "Stages that versions of a model may hold.",
       kModel,
       {{"add", "STAGE", "Declare one."}, {"drop", "STAGE", "Drop one that nothing holds."}},
       remote(stages),
       ""});
  commands.add({"model policy",
                "What it takes to enter a stage or to get an alias.",
                {{"MODEL", "name of the model"}, {"TARGET", "a stage, or @ALIAS", false}},
                {{"file", "PATH", "YAML of the policy: approvals, approvers, checks, review, …"},
                 {"drop", "", "Take the policy of TARGET away."}},
                remote([&fs](Call& call, Remote& r) { return policy(call, r, fs); }),
                "Approvals that were given under another policy are void."});
  commands.add({"model request",
                "Asks that a version enter a stage or get an alias.",
                kModelVersion,
                {to,
                 text,
                 {"rollback-to", "VERSION", "The way back [what holds the stage now]."},
                 {"rollback-owner", "PRINCIPAL", "Who carries it out [you]."},
                 {"archive", "", "Archive what holds the stage."},
                 {"hours", "N", "Open for so long [as the policy says]."}},
                remote(request),
                ""});
  commands.add({"model requests",
                "Requests for versions of a model, newest first.",
                kModel,
                {{"open", "", "Only those that are open."}},
                remote(requests),
                ""});
  commands.add({"model inbox",
                "Requests of the project that wait for your approval.",
                {},
                {{"mine", "", "Those that you made."},
                 {"all", "", "Everybody's."},
                 {"state", "STATE", "open, applied, rejected, cancelled or expired."}},
                remote(inbox),
                ""});
  commands.add({"model cancel",
                "Takes a request of one's own back.",
                kModelVersion,
                {to, text},
                remote(cancel),
                ""});
  commands.add({"model comment",
                "Comments on a version; without --text what was said.",
                kModelVersion,
                {{"text", "TEXT", "What to say."}},
                remote(comment),
                ""});
  commands.add({"model review",
                "Governance reviews of a version.",
                kModelVersion,
                {{"open", "PATH", "YAML of a new one: title, owner, due_ms, items."},
                 {"pass", "UID", "Close one as passed."},
                 {"fail", "UID", "Close one as failed."},
                 {"conclusion", "TEXT", "Why."}},
                remote([&fs](Call& call, Remote& r) { return review(call, r, fs); }),
                ""});
}

}  // namespace slip::cli
