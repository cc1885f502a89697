#pragma once

#include <cstdint>

#include "base/result.h"

// How a server is told to end. hold_stop_signals() comes first in main, before any task exists, so
// that every thread inherits the mask and only the waiter hears SIGTERM and SIGINT; it also turns
// SIGPIPE into an error of the write that caused it.
namespace slip {

void hold_stop_signals();
// Blocks until one comes; its number. One thread.
int wait_stop_signal();

}  // namespace slip
