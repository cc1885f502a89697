#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

// TLS (1.2 and later) as a pure transformation of bytes, by OpenSSL on memory buffers, so that the
// server's loops and the blocking client use the same code. A session is one thread at a time; a
// context is shared. kInvalid `tls.certificate`, kUnavailable `tls.handshake`, `tls.broken`.
namespace slip::http {

class TlsContext {
 public:
  // PEM texts. The leaf comes first.
  static Result<std::unique_ptr<TlsContext>> server(const std::string& certificate,
                                                    const std::string& key);
  // `authorities`: PEM, or "" for the system's; `and_system`: those besides.
  static Result<std::unique_ptr<TlsContext>> client(const std::string& authorities,
                                                    bool and_system = false);
  ~TlsContext();

 private:
  friend class TlsSession;
  struct Impl;
  explicit TlsContext(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

class TlsSession {
 public:
  // `host`: the name (or address) that the peer's certificate must carry; clients only.
  TlsSession(const TlsContext& context, const std::string& host);
  ~TlsSession();

  // Takes what came off the socket; appends plain bytes to `plain`. What must be sent in return
  // (handshake, alerts) is appended to `wire`, also when this fails.
  Status receive(std::string_view bytes, std::string* plain, std::string* wire);
  // Before the handshake is done the bytes are kept and sent as soon as it is.
  Status send(std::string_view plain, std::string* wire);
  Status start(std::string* wire);  // Clients speak first.
  void close(std::string* wire);    // close_notify
  bool ready() const;
  bool ended() const;  // The peer has closed properly.

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace slip::http
