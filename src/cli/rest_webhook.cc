#include <array>

#include "base/text.h"
#include "cli/print.h"
#include "cli/rest.h"
#include "sys/fs.h"

namespace slip::cli {
namespace {

using codec::Json;

constexpr int64_t kSecretFileBytesMax = 4096;
constexpr std::array kWebhookColumns = {Column{"UID", "uid"},       Column{"FORM", "form"},
                                        Column{"NAME", "name"},     Column{"URL", "url"},
                                        Column{"ACTIVE", "active"}, Column{"SIGNED", "is_signed"}};
constexpr std::array kDeliveryColumns = {Column{"UID", "uid"},       Column{"EVENT", "event"},
                                         Column{"STATE", "state"},   Column{"TRIES", "attempts"},
                                         Column{"STATUS", "status"}, Column{"ERROR", "error"}};

std::string at_webhook(const Call& call) {
  return concat({"/webhooks/", percent_encode(call.argument(0))});
}

Result<int> list(Call& call, Remote& remote) {
  print_rows(call, TRY(remote.all("/webhooks")), kWebhookColumns);
  return 0;
}

Result<int> create(Call& call, Remote& remote, Fs& fs) {
  Json events = Json::array();
  const std::string wanted = call.text("events");
  for (const std::string_view event : split(std::string_view(wanted), ','))
    events.push(trim(event));
  Json body = Json::object({{"name", call.argument(0)},
                            {"url", call.argument(1)},
                            {"description", call.text("description")},
                            {"events", std::move(events)}});
  if (call.has("secret-file")) {
    const std::string text = TRY(read_file(fs, call.text("secret-file"), kSecretFileBytesMax));
    body.set("secret", trim(text));
  }
  print_fields(call, TRY(remote.post("/webhooks", body)));
  return 0;
}

Result<int> remove(Call& call, Remote& remote) {
  print_fields(call, TRY(remote.call(http::Method::kDelete, at_webhook(call), nullptr)));
  return 0;
}

Result<int> test(Call& call, Remote& remote) {
  const Json got = TRY(remote.post(concat({at_webhook(call), "/test"}),
                                   Json::object({{"event", call.text("event")}})));
  print_fields(call, got);
  const Json* accepted = got.find("accepted");
  return accepted && *accepted == Json(true) ? 0 : 1;
}

Result<int> deliveries(Call& call, Remote& remote) {
  print_rows(call, TRY(remote.all(concat({at_webhook(call), "/deliveries"}))), kDeliveryColumns);
  return 0;
}

Result<int> replay(Call& call, Remote& remote) {
  const std::string path =
      concat({at_webhook(call), "/deliveries/", percent_encode(call.argument(1)), "/replay"});
  print_fields(call, TRY(remote.post(path, Json::object())));
  return 0;
}

}  // namespace

void add_webhook_commands(Commands& commands, const Connect& connect, Fs& fs) {
  const auto remote = [connect](auto run) {
    return [connect, run](Call& call) -> Result<int> {
      const std::unique_ptr<Remote> server = TRY(connect(call));
      return run(call, *server);
    };
  };
  const std::vector<Argument> webhook = {{"WEBHOOK", "its uid"}};
  commands.add({"webhook list", "Who is told of what happens.", {}, {}, remote(list), ""});
  commands.add({"webhook create",
                "Has events sent to a URL.",
                {{"NAME", "a name for people"}, {"URL", "where to"}},
                {{"events", "LIST", "For example model_version.created,approval.*", true},
                 {"secret-file", "PATH", "File that holds the secret to sign with."},
                 {"description", "TEXT", "What it is for."}},
                remote([&fs](Call& call, Remote& r) { return create(call, r, fs); }),
                "Events: registered_model.created, model_version.created, stage.transitioned, …; a"
                " noun's all: approval.*"});
  commands.add({"webhook delete",
                "Tells it nothing more.",
                webhook,
                {},
                remote(remove),
                "Its deliveries go with it."});
  commands.add({"webhook test",
                "Sends an example and shows what is answered.",
                webhook,
                {{"event", "EVENT", "Which [the first that it asks for]."}},
                remote(test),
                "Exits with 1 unless the receiver takes it."});
  commands.add({"webhook deliveries",
                "What was sent, newest first, and what became of it.",
                webhook,
                {},
                remote(deliveries),
                ""});
  commands.add({"webhook replay",
                "Sends a delivery that has ended once more.",
                {{"WEBHOOK", "its uid"}, {"DELIVERY", "uid of the delivery"}},
                {},
                remote(replay),
                "It gets an id of its own."});
}

}  // namespace slip::cli
