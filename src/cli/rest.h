#pragma once

#include "cli/remote.h"

namespace slip {
class Fs;
}

// The commands that only talk to a server; one function a noun.
namespace slip::cli {

void add_model_commands(Commands& commands, const Connect& connect);
void add_deployment_commands(Commands& commands, const Connect& connect);  // Also monitor, alert.
void add_server_commands(Commands& commands, const Connect& connect);      // status, ledger, token.

// data add|list|show: files are read through `fs`.
void add_data_commands(Commands& commands, const Connect& connect, Fs& fs);

// All of the first three.
void add_rest_commands(Commands& commands, const Connect& connect);

}  // namespace slip::cli
