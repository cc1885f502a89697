#include "sys/command.h"

#include <csignal>
#include <string>

#include <gtest/gtest.h>

namespace slip {
namespace {

constexpr int64_t kMax = 1 << 20;

TEST(RunCommand, BothStreamsAndTheEnd) {
  const auto got =
      output_of(real_process(), {.argv = {"sh", "-c", "echo out; echo err >&2; exit 3"}}, kMax);
  ASSERT_TRUE(got.ok()) << got.error().text;
  EXPECT_EQ(got->out, "out\n");
  EXPECT_EQ(got->err, "err\n");
  EXPECT_EQ(got->code, 3);
}

TEST(RunCommand, MoreThanAPipeHolds) {
  const std::vector<std::string> argv = {"sh", "-c", "head -c 300000 /dev/zero; echo end >&2"};
  const auto got = output_of(real_process(), {.argv = argv}, kMax);
  EXPECT_EQ(got->out.size(), 300000U);
  EXPECT_EQ(got->err, "end\n");
  EXPECT_EQ(output_of(real_process(), {.argv = argv}, 1000).error().reason, "process.too_much");
}

TEST(RunCommand, ASignalEndsIt) {
  EXPECT_EQ(output_of(real_process(), {.argv = {"sh", "-c", "kill -9 $$"}}, kMax)->code, 128 + 9);
  EXPECT_EQ(output_of(real_process(), {.argv = {"/nowhere/at/all"}}, kMax).error().reason,
            "process.not_found");
}

// What a stopped parent asks of its children, as an operator or a scheduler sends it.
TEST(RunCommand, AStopSignalGoesOnToTheProgram) {
  const OnOutput on_ready = [](std::string_view piece) {
    if (piece.find("ready") != piece.npos) ::pthread_kill(::pthread_self(), SIGTERM);
  };
  const auto got = run_command(
      real_process(),
      {.argv = {"sh", "-c", "trap 'exit 7' TERM; echo ready; while :; do sleep 0.01; done"}},
      on_ready, {});
  ASSERT_TRUE(got.ok()) << got.error().text;
  EXPECT_EQ(got->stop_signal, SIGTERM);
  EXPECT_EQ(got->exit.code, 7);
}

TEST(RunCommand, AGrandchildThatKeepsThePipeOpenHoldsNobodyUp) {
  const auto got = output_of(real_process(), {.argv = {"sh", "-c", "sleep 60 & echo $!"}}, kMax);
  ASSERT_TRUE(got.ok());
  const int pid = std::stoi(got->out);
  EXPECT_EQ(::kill(pid, SIGKILL), 0);
}

}  // namespace
}  // namespace slip
