#include "app/commands.h"

#include "cli/rest.h"
#include "sys/net.h"

namespace slip::app {

void add_all(cli::Commands& commands, const Sys& sys) {
  add_serve(commands, sys);
  add_config(commands, sys);
  add_sim(commands, sys);
  add_basics(commands, sys);
  add_dump(commands, sys);
  add_offline(commands, sys);
  const cli::Connect connect = cli::connect_by_http(real_net(), sys.clock, sys.process);
  cli::add_rest_commands(commands, {sys.fs, sys.clock, sys.process, sys.executor}, connect);
  commands.add_alias("deployment", "deploy");
  commands.add_alias("audit", "ledger");
}

std::vector<cli::Option> common_options() {
  return {{"json", "", "Print JSON."},
          {"server", "URL", "The server [http://127.0.0.1:7070] [env: SLIPWAY_URL]"},
          {"project", "NAME", "The project [default] [env: SLIPWAY_PROJECT]"}};
}

}  // namespace slip::app
