#include "sys/signals.h"

#include <csignal>

#include "base/check.h"

namespace slip {
namespace {

sigset_t stop_set() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  return set;
}

}  // namespace

void hold_stop_signals() {
  const sigset_t set = stop_set();
  CHECK(::pthread_sigmask(SIG_BLOCK, &set, nullptr) == 0);
  CHECK(::signal(SIGPIPE, SIG_IGN) != SIG_ERR);
}

int wait_stop_signal() {
  const sigset_t set = stop_set();
  int number = 0;
  while (::sigwait(&set, &number) != 0) {}
  return number;
}

}  // namespace slip
