#pragma once

#include "app/world.h"
#include "cli/command.h"

// The commands that need the server's own parts (serve, config, dump, offline tokens); those that
// only talk to a server are in cli/.
namespace slip::app {

// Every command of the binary. `sys` and `commands` (which `help` reads) outlive the calls.
void add_all(cli::Commands& commands, const Sys& sys);
std::vector<cli::Option> common_options();

void add_serve(cli::Commands& commands, const Sys& sys);
void add_config(cli::Commands& commands, const Sys& sys);
void add_dump(cli::Commands& commands, const Sys& sys);
void add_offline(cli::Commands& commands, const Sys& sys);  // token create-offline
void add_basics(cli::Commands& commands, const Sys& sys);   // version, help, completion
void add_sim(cli::Commands& commands, const Sys& sys);      // sim, sim aa

// The setting flags of a call, resolved with the other sources.
Result<Config> config_of(const cli::Call& call, const Sys& sys);
std::vector<cli::Option> setting_options();

}  // namespace slip::app
