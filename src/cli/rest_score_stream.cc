#include <array>

#include "base/text.h"
#include "cli/print.h"
#include "cli/rest.h"

namespace slip::cli {
namespace {

using codec::Json;

constexpr std::array kStreamColumns = {
    Column{"STREAM", "name"},
    Column{"DEPLOYMENT", "stream.deployment"},
    Column{"FROM", "stream.from.topic"},
    Column{"TO", "stream.to"},
    Column{"STATE", "state"},
    Column{"LAG", "lag"},
    Column{"RECORDS", "records"},
    Column{"DEAD", "dead_letters_count"},
    Column{"ERROR", "error"},
};
std::string at(const Call& call, std::string_view verb) {
  return concat({"/score-streams/", percent_encode(call.argument(0)), verb});
}

void print_stream(Call& call, const Json& stream) {
  print_with_partitions(call, stream, kStreamColumns);
}

Result<int> list(Call& call, Remote& remote) {
  print_rows(call, TRY(remote.all("/score-streams")), kStreamColumns);
  return 0;
}

Result<int> show(Call& call, Remote& remote) {
  print_stream(call, TRY(remote.get(at(call, ""))));
  return 0;
}

Result<int> apply(Call& call, Remote& remote, Fs& fs) {
  const Json document = TRY(read_yaml(fs, call.argument(1)));
  print_stream(call, TRY(remote.call(http::Method::kPut, at(call, ""), &document)));
  return 0;
}

Result<int> pause(Call& call, Remote& remote) {
  print_stream(call, TRY(remote.post(at(call, "/pause"), Json::object())));
  return 0;
}

Result<int> resume(Call& call, Remote& remote) {
  print_stream(call, TRY(remote.post(at(call, "/resume"), Json::object())));
  return 0;
}

Result<int> remove(Call& call, Remote& remote) {
  TRY(remote.call(http::Method::kDelete, at(call, ""), nullptr));
  return 0;
}

}  // namespace

void add_score_stream_commands(Commands& commands, const Connect& connect, Fs& fs) {
  const auto remote = [connect](auto run) {
    return [connect, run](Call& call) -> Result<int> {
      const std::unique_ptr<Remote> server = TRY(connect(call));
      return run(call, *server);
    };
  };
  const std::vector<Argument> name = {{"NAME", "the stream's"}};
  commands.add({"score-streams",
                "Topics of Kafka that deployments score into others: state, lag, dead letters.",
                {},
                {},
                remote(list),
                ""});
  commands.add(
      {"score-stream show", "One of them, with its partitions.", name, {}, remote(show), ""});
  commands.add({"score-stream apply",
                "Scores a topic, or changes how.",
                {{"NAME", "the stream's"}, {"FILE", "YAML or JSON: deployment, from, to, …"}},
                {},
                remote([&fs](Call& call, Remote& server) { return apply(call, server, fs); }),
                "A changed stream goes on where it was."});
  commands.add({"score-stream pause",
                "Scores no further until it is resumed.",
                name,
                {},
                remote(pause),
                ""});
  commands.add(
      {"score-stream resume", "Goes on where it was paused.", name, {}, remote(resume), ""});
  commands.add(
      {"score-stream delete", "Scores it no more; its topics stay.", name, {}, remote(remove), ""});
}

}  // namespace slip::cli
