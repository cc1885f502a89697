#include <array>

#include "base/text.h"
#include "cli/print.h"
#include "cli/rest.h"

namespace slip::cli {
namespace {

using codec::Json;

constexpr std::array kStreamColumns = {
    Column{"SOURCE", "source"},     Column{"TOPIC", "topic"}, Column{"STATE", "state"},
    Column{"LAG", "lag"},           Column{"ROWS", "rows"},   Column{"STRAYS", "strays"},
    Column{"REJECTED", "rejected"}, Column{"ERROR", "error"},
};
constexpr std::array kPartitionColumns = {
    Column{"PARTITION", "partition"},
    Column{"NEXT", "next"},
    Column{"END", "end"},
    Column{"LAG", "lag"},
};

std::string at_stream(const Call& call, std::string_view verb) {
  return concat({"/feature-streams/", percent_encode(call.argument(0)), verb});
}

void print_stream(Call& call, const Json& stream) {
  print_with_partitions(call, stream, kStreamColumns);
}

Result<int> streams(Call& call, Remote& remote) {
  print_rows(call, TRY(remote.all("/feature-streams")), kStreamColumns);
  return 0;
}

Result<int> show(Call& call, Remote& remote) {
  print_stream(call, TRY(remote.get(at_stream(call, ""))));
  return 0;
}

Result<int> pause(Call& call, Remote& remote) {
  print_stream(call, TRY(remote.post(at_stream(call, "/pause"), Json::object())));
  return 0;
}

Result<int> resume(Call& call, Remote& remote) {
  print_stream(call, TRY(remote.post(at_stream(call, "/resume"), Json::object())));
  return 0;
}

Result<int> reset(Call& call, Remote& remote) {
  const Json body = Json::object({{"to", call.text("to")}});
  print_stream(call, TRY(remote.post(at_stream(call, "/reset"), body)));
  return 0;
}

}  // namespace

void print_with_partitions(Call& call, const Json& stream, std::span<const Column> columns) {
  if (call.on("json")) return print_fields(call, stream);
  Json one = Json::object();
  one.set("items", Json::array({stream}));
  print_rows(call, one, columns);
  Json partitions = Json::object();
  partitions.set("items", *stream.find("partitions"));
  print_rows(call, partitions, kPartitionColumns);
}

void add_feature_stream_commands(Commands& commands, const Connect& connect) {
  const auto remote = [connect](auto run) {
    return [connect, run](Call& call) -> Result<int> {
      const std::unique_ptr<Remote> server = TRY(connect(call));
      return run(call, *server);
    };
  };
  const std::vector<Argument> source = {{"SOURCE", "its name"}};
  commands.add(
      {"feature streams",
       "Sources that read a topic of Kafka: state, lag, what came.",
       {},
       {},
       remote(streams),
       "STRAYS are messages that are no rows; they and what the contract rejects lie in the "
       "quarantine."});
  commands.add(
      {"feature stream show", "One of them, with its partitions.", source, {}, remote(show), ""});
  commands.add({"feature stream pause",
                "Reads no further until it is resumed.",
                source,
                {},
                remote(pause),
                ""});
  commands.add(
      {"feature stream resume", "Goes on where it was paused.", source, {}, remote(resume), ""});
  commands.add({"feature stream reset",
                "Goes on at the topic's beginning or end.",
                source,
                {{"to", "WHERE", "earliest or latest.", true}},
                remote(reset),
                "From the beginning, rows that were taken in before are taken in again."});
}

}  // namespace slip::cli
