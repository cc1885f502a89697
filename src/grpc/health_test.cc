#include "grpc/health.h"

#include <atomic>

#include <grpc/health/v1/health.pb.h>
#include <gtest/gtest.h>

#include "test/grpc/world.h"

namespace slip::grpc {
namespace {

using ::grpc::health::v1::HealthCheckRequest;
using ::grpc::health::v1::HealthCheckResponse;
using testing::Client;
using testing::ClientCall;

class GrpcHealth : public ::testing::Test {
 protected:
  static std::string ask_for(const std::string& service) {
    HealthCheckRequest request;
    request.set_service(service);
    return request.SerializeAsString();
  }
  static int status_in(const std::string& message) {
    HealthCheckResponse response;
    EXPECT_TRUE(response.ParseFromString(message));
    return response.status();
  }
  static int next(ClientCall& watch) {
    std::string message;
    EXPECT_TRUE(watch.receive(&message));
    return status_in(message);
  }
  ClientCall watch(Client& client, const std::string& service) {
    ClientCall call = client.open("grpc.health.v1.Health/Watch", {{"authorization", ""}});
    EXPECT_TRUE(call.send(ask_for(service)));
    return call;
  }

  std::atomic<bool> ready_{false};
  Health health_{[this](const std::string& service) -> std::optional<bool> {
    if (service.empty()) return true;
    if (service == "a.B") return ready_.load();
    return std::nullopt;
  }};
  testing::World world_{health_.methods()};
};

TEST_F(GrpcHealth, ChecksWithoutCredentials) {
  Client client = world_.client();
  const auto check = [&](const std::string& service) {
    return client.ask("grpc.health.v1.Health/Check", ask_for(service), {{"authorization", ""}});
  };
  EXPECT_EQ(status_in(check("").message), HealthCheckResponse::SERVING);
  EXPECT_EQ(status_in(check("a.B").message), HealthCheckResponse::NOT_SERVING);
  ready_ = true;
  EXPECT_EQ(status_in(check("a.B").message), HealthCheckResponse::SERVING);
  EXPECT_EQ(check("c.D").code, 5);
  EXPECT_EQ(client.ask("grpc.health.v1.Health/Check", "\xff").code, 3);
  health_.stop();
  EXPECT_EQ(status_in(check("").message), HealthCheckResponse::NOT_SERVING);
}

TEST_F(GrpcHealth, WatchersHearOfChangesOnly) {
  Client client = world_.client();
  ClientCall one = watch(client, "a.B");
  ClientCall unknown = watch(client, "c.D");
  EXPECT_EQ(next(one), HealthCheckResponse::NOT_SERVING);
  EXPECT_EQ(next(unknown), HealthCheckResponse::SERVICE_UNKNOWN);
  health_.refresh();
  ready_ = true;
  health_.refresh();
  health_.refresh();
  EXPECT_EQ(next(one), HealthCheckResponse::SERVING);
  health_.stop();
  EXPECT_EQ(next(one), HealthCheckResponse::NOT_SERVING);
}

}  // namespace
}  // namespace slip::grpc
