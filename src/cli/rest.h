#pragma once

#include "cli/remote.h"

namespace slip {
class Clock;
class Fs;
class Process;
}  // namespace slip

// The commands that only talk to a server; one function a noun.
namespace slip::cli {

// What commands need of the machine they run on.
struct Machine {
  Fs& fs;
  Clock& clock;
  Process& process;
};

void add_model_commands(Commands& commands, const Connect& connect);
void add_deployment_commands(Commands& commands, const Connect& connect);  // Also monitor, alert.
// status, doctor, ledger, token, principal, whoami, api
void add_server_commands(Commands& commands, const Machine& machine, const Connect& connect);
void add_doctor(Commands& commands, const Machine& machine, const Connect& connect);

// data add|list|show: files are read through `fs`.
void add_data_commands(Commands& commands, const Connect& connect, Fs& fs);

// All of them.
void add_rest_commands(Commands& commands, const Machine& machine, const Connect& connect);

}  // namespace slip::cli
