#include <array>

#include "base/text.h"
#include "cli/print.h"
#include "cli/rest.h"

// async list|show|result|cancel|retry: requests that are answered later.
namespace slip::cli {
namespace {

using codec::Json;

constexpr std::string_view kPath = "/v2/async";
constexpr std::array kColumns = {
    Column{"ID", "id"},
    Column{"STATUS", "status"},
    Column{"TARGET", "target"},
    Column{"ATTEMPTS", "attempts"},
    Column{"ANSWERED", "result_status"},
    Column{"CREATED_MS", "created_ms"},
    Column{"ERROR", "error"},
};

std::string at(const Call& call) { return concat({kPath, "/", percent_encode(call.argument(0))}); }

Result<Json> ask(Remote& remote, http::Method method, const std::string& target) {
  return codec::parse_json(TRY(remote.raw(method, target, "")));
}

// Page by page, so that a long list is whole.
Result<int> list(Call& call, Remote& remote) {
  Json items = Json::array();
  std::string token;
  for (int64_t page = 0; page < kPagesMax; ++page) {
    const Json got = TRY(ask(remote, http::Method::kGet,
                             concat({kPath, query_of({{"status", call.text("status")},
                                                      {"all", call.on("all") ? "true" : ""},
                                                      {"page_token", token}})})));
    if (const Json* some = got.find("items"); some != nullptr && some->is_array())
      for (const Json& item : some->items()) items.push(item);
    const Json* next = got.find("next_page_token");
    if (next == nullptr || !next->is_string()) break;
    token = next->as_string();
  }
  print_rows(call, Json::object({{"items", std::move(items)}}), kColumns);
  return 0;
}

template <http::Method method>
Result<int> one(Call& call, Remote& remote, const std::string& target) {
  print_fields(call, TRY(ask(remote, method, target)));
  return 0;
}

}  // namespace

void add_async_commands(Commands& commands, const Connect& connect) {
  const auto remote = [connect](auto run) {
    return [connect, run](Call& call) -> Result<int> {
      const std::unique_ptr<Remote> server = TRY(connect(call));
      return run(call, *server);
    };
  };
  const std::vector<Argument> id = {{"ID", "of the request, as its 202 said"}};
  commands.add({"async list",
                "Asynchronous predictions: your own, newest first.",
                {},
                {{"status", "STATUS", "queued, running, done, failed, cancelled or expired."},
                 {"all", "", "Everybody's, for administrators."}},
                remote(list),
                "Failed ones are the dead letters: async retry."});
  commands.add({"async show",
                "How far one is.",
                id,
                {},
                remote([](Call& c, Remote& r) { return one<http::Method::kGet>(c, r, at(c)); }),
                ""});
  commands.add({"async result",
                "Its answer, as the route gave it.",
                id,
                {},
                remote([](Call& c, Remote& r) -> Result<int> {
                  c.terminal.out(TRY(r.raw(http::Method::kGet, at(c) + "/result", "")));
                  return 0;
                }),
                ""});
  commands.add({"async cancel",
                "Cancels what hasn't ended.",
                id,
                {},
                remote([](Call& c, Remote& r) { return one<http::Method::kDelete>(c, r, at(c)); }),
                ""});
  commands.add(
      {"async retry",
       "Tries again what has failed.",
       id,
       {},
       remote([](Call& c, Remote& r) { return one<http::Method::kPost>(c, r, at(c) + "/retry"); }),
       ""});
}

}  // namespace slip::cli
