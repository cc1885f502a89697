#include "http/origin.h"

#include <gtest/gtest.h>

namespace slip::http {
namespace {

TEST(HostPolicy, KnowsItsNames) {
  struct Case {
    std::string_view bound;
    std::string_view host;
    bool ours;
  };
  const Case cases[] = {
      {"127.0.0.1", "127.0.0.1:7070", true},
      {"127.0.0.1", "localhost", true},
      {"127.0.0.1", "LocalHost:1", true},
      {"127.0.0.1", "localhost.:80", true},
      {"127.0.0.1", "app.localhost", true},
      {"127.0.0.1", "[::1]:7070", true},
      {"127.0.0.1", "127.8.8.8", true},
      {"127.0.0.1", "extra.example:7", true},  // Configured below.
      {"127.0.0.1", "", true},                 // HTTP/1.0.
      {"127.0.0.1", "evil.example", false},
      {"127.0.0.1", "localhost.evil.example", false},
      {"127.0.0.1", "localhost@evil.example", false},
      {"127.0.0.1", "localhost:99999", false},
      {"127.0.0.1", "localhost:7:8", false},
      {"127.0.0.1", "localhost/x", false},
      {"127.0.0.1", "127.0.0.1.evil.example", false},
      {"127.0.0.1", "10.0.0.5", false},
      {"127.0.0.1", "[::1", false},
      {"127.0.0.1", "[evil]", false},
      {"10.0.0.5", "10.0.0.5:7070", true},
      {"10.0.0.5", "localhost", false},
      {"0.0.0.0", "10.0.0.5:7070", true},
      {"0.0.0.0", "[fe80::1]", true},
      {"0.0.0.0", "localhost", true},
      {"0.0.0.0", "evil.example", false},
      {"::", "192.168.1.7", true},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(testing::Message() << c.bound << " " << c.host);
    const HostPolicy policy(c.bound, {"Extra.example"}, {});
    EXPECT_EQ(policy.check_host(c.host).ok(), c.ours);
  }
  EXPECT_TRUE(HostPolicy("127.0.0.1", {"*"}, {}).check_host("any.example").ok());
}

TEST(HostPolicy, JudgesOrigins) {
  const HostPolicy local("127.0.0.1", {}, {"https://console.example"});
  const HostPolicy far("10.0.0.5", {"ml.example"}, {});
  struct Case {
    const HostPolicy& policy;
    std::string_view origin;
    std::string_view host;
    bool fine;
  };
  const Case cases[] = {
      {local, "", "localhost:7070", true},
      {local, "http://localhost:7070", "localhost:7070", true},
      {local, "http://localhost:5173", "localhost:7070", true},
      {local, "https://console.example", "localhost:7070", true},
      {local, "https://console.example:444", "localhost:7070", false},
      {local, "https://evil.example", "localhost:7070", false},
      {local, "http://localhost.evil.example", "localhost:7070", false},
      {local, "null", "localhost:7070", false},
      {local, "file://", "localhost:7070", false},
      {far, "http://ml.example:7070", "ml.example:7070", true},
      {far, "http://ml.example:7071", "ml.example:7070", false},
      {far, "http://localhost:7070", "ml.example:7070", false},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(testing::Message() << c.origin << " -> " << c.host);
    EXPECT_EQ(c.policy.check_origin(c.origin, c.host).ok(), c.fine);
  }
}

}  // namespace
}  // namespace slip::http
