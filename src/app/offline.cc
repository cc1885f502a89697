#include "app/commands.h"
#include "base/text.h"
#include "codec/json.h"

namespace slip::app {
namespace {

// For who lost the last administrator's token: whoever may write the data directory may do this.
Result<int> create(cli::Call& call, const Sys& sys) {
  auth::NewToken wanted;
  wanted.principal = call.text("principal");
  const std::optional<auth::Role> role = auth::parse_role(call.text("role"));
  if (!role) return invalid("usage.role", "--role is read, use, edit or manage");
  wanted.role = *role;
  wanted.project = call.text("project", auth::kAny);
  const std::unique_ptr<World> world = TRY(World::open(sys, TRY(config_of(call, sys))));
  Ctx ctx;  // The machine's operator.
  const auth::IssuedToken issued = TRY(world->auth->create_token(ctx, wanted));
  if (call.on("json"))
    call.terminal.out(
        codec::to_json(codec::Json::object({{"token", issued.text}, {"id", issued.id}})) + "\n");
  else
    call.terminal.out(issued.text + "\n");
  return 0;
}

}  // namespace

void add_offline(cli::Commands& commands, const Sys& sys) {
  std::vector<cli::Option> options = {
      {"principal", "NAME", "Whose; made when new.", true},
      {"role", "ROLE", "read, use, edit or manage.", true},
      {"data-dir", "DIR", "The data directory of a server that doesn't run."},
      {"db", "URL", "Its database, when that is PostgreSQL."},
      {"config", "FILE", "Settings file instead of ./slipway.toml."}};
  commands.add({"token create-offline",
                "Makes a token in a data directory that no server uses.",
                {},
                std::move(options),
                [sys](cli::Call& call) { return create(call, sys); },
                "The way back in when the last administrator's token is lost."});
}

}  // namespace slip::app
