#pragma once

#include <span>

#include "cli/remote.h"

namespace slip {
class Clock;
class Executor;
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
  Executor& executor;
};

void add_model_commands(Commands& commands, const Connect& connect);
// model stages|policy|request|requests|cancel|comment|comments|review
void add_request_commands(Commands& commands, const Connect& connect, Fs& fs);
// model export|verify: bundles are written and read through `fs`.
void add_export_commands(Commands& commands, const Connect& connect, Fs& fs);
// gate run|explain|waive|verify, model test|scan|evidence
void add_gate_commands(Commands& commands, const Connect& connect, const Machine& machine);
// "/models/NAME" of the first argument, "/models/NAME/versions/N" of the first two. kInvalid
// `usage.number`.
std::string at_model(const Call& call);
Result<std::string> at_version(const Call& call);
// What may be done next, one row an action.
void print_actions(Call& call, const codec::Json& actions);
// A YAML (or JSON) file as a value; "-" is not taken.
Result<codec::Json> read_yaml(Fs& fs, const std::string& path);
void add_deployment_commands(Commands& commands, const Connect& connect);  // Also monitor, alert.
// status, doctor, ledger, token, principal, whoami, api
void add_server_commands(Commands& commands, const Machine& machine, const Connect& connect);
void add_doctor(Commands& commands, const Machine& machine, const Connect& connect);

// run, runs list|show|diff|repro
void add_run_commands(Commands& commands, const Machine& machine, const Connect& connect);
void add_runs_commands(Commands& commands, const Machine& machine, const Connect& connect);
// exp list|show|create|delete|restore
void add_experiment_commands(Commands& commands, const Connect& connect);

// async list|show|result|cancel|retry
void add_async_commands(Commands& commands, const Connect& connect);

// webhook list|create|delete|test|deliveries|replay: a secret is read through `fs`.
void add_webhook_commands(Commands& commands, const Connect& connect, Fs& fs);

// data add|list|show: files are read through `fs`.
void add_data_commands(Commands& commands, const Connect& connect, Fs& fs);

// gc, retention list|set|drop, hold add|list|release
void add_gc_commands(Commands& commands, const Connect& connect);

// archive list|get: files are written through `fs`.
void add_archive_commands(Commands& commands, const Connect& connect, Fs& fs);

// feature plan|apply|test|list|show|delete|load|get|train|materialize|compute|runs|import
void add_feature_store_commands(Commands& commands, const Connect& connect, Fs& fs);
// feature verify|erase: served vectors against the history; an entity out of all of it.
void add_feature_verify_command(Commands& commands, const Connect& connect);
struct Column;
// A stream of a topic as a row, then its partitions; or (--json) as it came.
void print_with_partitions(Call& call, const codec::Json& stream, std::span<const Column> columns);
// feature streams, feature stream show|pause|resume|reset
void add_feature_stream_commands(Commands& commands, const Connect& connect);
// score-streams, score-stream show|apply|pause|resume|delete: files are read through `fs`.
void add_score_stream_commands(Commands& commands, const Connect& connect, Fs& fs);
// feature join: files to a file.
void add_feature_commands(Commands& commands, const Machine& machine);

// function try: runs workers here.
void add_function_commands(Commands& commands, const Machine& machine);

// contract check|infer|diff|import: files of the caller's machine.
void add_contract_commands(Commands& commands, const Machine& machine);
void add_sql_commands(Commands& commands, const Machine& machine);  // sql

// predict: files to a file.
void add_predict_command(Commands& commands, const Machine& machine);
// batch score: the same for many rows, in parts.
void add_batch_command(Commands& commands, const Machine& machine);

// migrate mlflow
void add_migrate_commands(Commands& commands, const Connect& connect, Fs& fs);

// All of them.
void add_rest_commands(Commands& commands, const Machine& machine, const Connect& connect);

}  // namespace slip::cli
