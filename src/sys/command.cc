#include "sys/command.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <span>

#include <fcntl.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/text.h"

namespace slip {
namespace {

constexpr int kLookMs = 100;  // How often it is asked whether the program has ended.
constexpr int kSignalBase = 128;
constexpr size_t kPieceBytes = 64 << 10;

class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  ~Fd() { close(); }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  void reset(int fd) {
    close();
    fd_ = fd;
  }
  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }
  int get() const { return fd_; }

 private:
  int fd_ = -1;
};

struct Stream {
  Fd read;
  Fd write;
  const OnOutput* on_piece = nullptr;

  Status open(const OnOutput& handler) {
    if (!handler) return {};
    on_piece = &handler;
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0)
      return unavailable("process.pipe", "no pipe to be had");
    read.reset(ends[0]);
    write.reset(ends[1]);
    ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
    return {};
  }
  // Reads what is there; closes at the end.
  void drain() {
    std::array<char, kPieceBytes> piece;
    while (read.get() >= 0) {
      const ssize_t n = ::read(read.get(), piece.data(), piece.size());
      if (n > 0) {
        (*on_piece)(std::string_view(piece.data(), static_cast<size_t>(n)));
        continue;
      }
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && errno == EAGAIN) return;
      read.close();
    }
  }
};

// Takes stop signals away from this thread for as long as it lives.
class StopSignals {
 public:
  StopSignals() {
    sigset_t wanted;
    sigemptyset(&wanted);
    for (const int number : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&wanted, number);
    pthread_sigmask(SIG_BLOCK, &wanted, &before_);
    fd_.reset(::signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK));
  }
  ~StopSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  int fd() const { return fd_.get(); }
  // Hands on what came; a terminal has sent its own to the whole group already. The last one, or 0.
  int pass_to(Child& child) {
    int last = 0;
    signalfd_siginfo info{};
    while (::read(fd_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
      last = static_cast<int>(info.ssi_signo);
      if (info.ssi_code != SI_KERNEL) ignore(child.signal(last), "it may have ended");
    }
    return last;
  }

 private:
  sigset_t before_{};
  Fd fd_;
};

}  // namespace

Result<Finished> run_command(Process& process, SpawnOptions options, const OnOutput& on_out,
                             const OnOutput& on_err) {
  std::array<Stream, 2> streams;
  TRY(streams[0].open(on_out));
  TRY(streams[1].open(on_err));
  if (on_out) options.stdout_fd = streams[0].write.get();
  if (on_err) options.stderr_fd = streams[1].write.get();
  StopSignals signals;
  const std::unique_ptr<Child> child = TRY(process.spawn(options));
  for (Stream& s : streams) s.write.close();

  Finished out;
  while (true) {
    std::array<pollfd, 3> watch{};
    for (size_t i = 0; i < streams.size(); ++i)
      watch[i] = {.fd = streams[i].read.get(), .events = POLLIN, .revents = 0};
    watch[2] = {.fd = signals.fd(), .events = POLLIN, .revents = 0};
    const bool open = streams[0].read.get() >= 0 || streams[1].read.get() >= 0;
    ::poll(watch.data(), watch.size(), open ? kLookMs : 0);
    for (Stream& s : streams) s.drain();
    if (const int number = signals.pass_to(*child); number != 0) out.stop_signal = number;
    const Result<Exit> ended = child->wait(open ? 0 : kLookMs);
    if (!ended.ok()) {
      if (ended.error().code != Code::kTimeout) return ended.error();
      continue;
    }
    for (Stream& s : streams) s.drain();
    out.exit = *ended;
    return out;
  }
}

Result<Printed> output_of(Process& process, const SpawnOptions& options, int64_t bytes_max) {
  Printed out;
  bool too_much = false;
  const auto keep = [&](std::string* into) {
    return [&too_much, bytes_max, into](std::string_view piece) {
      too_much = too_much || static_cast<int64_t>(into->size() + piece.size()) > bytes_max;
      if (!too_much) into->append(piece);
    };
  };
  const Finished done = TRY(run_command(process, options, keep(&out.out), keep(&out.err)));
  if (done.stop_signal != 0) ::raise(done.stop_signal);
  if (too_much)
    return exhausted("process.too_much",
                     concat({options.argv[0], " printed more than ", format_size(bytes_max)}));
  out.code = done.exit.signal != 0 ? kSignalBase + done.exit.signal : done.exit.code;
  return out;
}

}  // namespace slip
