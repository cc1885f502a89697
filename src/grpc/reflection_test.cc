#include "grpc/reflection.h"

#include <google/protobuf/descriptor.pb.h>
#include <grpc/reflection/v1/reflection.pb.h>
#include <gtest/gtest.h>

#include "grpc/health.h"
#include "test/grpc/world.h"

namespace slip::grpc {
namespace {

using ::grpc::reflection::v1::ServerReflectionRequest;
using ::grpc::reflection::v1::ServerReflectionResponse;

class GrpcReflection : public ::testing::TestWithParam<const char*> {
 protected:
  static std::vector<Method> rows(Health& health) {
    std::vector<Method> out = health.methods();
    for (Method& row : reflection_methods(out)) out.push_back(std::move(row));
    return out;
  }
  ServerReflectionResponse ask(const ServerReflectionRequest& request) {
    std::string message;
    EXPECT_TRUE(call_.send(request.SerializeAsString()));
    EXPECT_TRUE(call_.receive(&message));
    ServerReflectionResponse out;
    EXPECT_TRUE(out.ParseFromString(message));
    EXPECT_EQ(out.original_request().SerializeAsString(), request.SerializeAsString());
    return out;
  }

  Health health_{[](const std::string&) { return true; }};
  testing::World world_{rows(health_)};
  testing::Client client_ = world_.client();
  testing::ClientCall call_ = client_.open(GetParam(), {{"authorization", ""}});
};

TEST_P(GrpcReflection, TellsServicesAndFiles) {
  ServerReflectionRequest request;
  request.set_list_services("*");
  std::vector<std::string> services;
  const ServerReflectionResponse listed = ask(request);
  for (const auto& s : listed.list_services_response().service()) services.push_back(s.name());
  EXPECT_EQ(services, (std::vector<std::string>{"grpc.health.v1.Health",
                                                "grpc.reflection.v1.ServerReflection",
                                                "grpc.reflection.v1alpha.ServerReflection"}));
  for (const std::string& service : services) {  // Whatever is listed can be described.
    request.set_file_containing_symbol(service);
    const ServerReflectionResponse told = ask(request);
    ASSERT_EQ(told.file_descriptor_response().file_descriptor_proto_size(), 1);
    google::protobuf::FileDescriptorProto file;
    ASSERT_TRUE(file.ParseFromString(told.file_descriptor_response().file_descriptor_proto(0)));
    EXPECT_EQ(file.package() + "." + file.service(0).name(), service);
    request.set_file_by_filename(file.name());
    EXPECT_EQ(ask(request).file_descriptor_response().SerializeAsString(),
              told.file_descriptor_response().SerializeAsString());
  }
}

TEST_P(GrpcReflection, SaysWhatItDoesNotKnow) {
  ServerReflectionRequest request;
  EXPECT_EQ(ask(request).error_response().error_code(), 3);
  request.set_file_containing_symbol("no.Such");
  EXPECT_EQ(ask(request).error_response().error_code(), 5);
  request.set_file_by_filename("no.proto");
  EXPECT_EQ(ask(request).error_response().error_code(), 5);
  request.set_all_extension_numbers_of_type("no.Such");
  EXPECT_EQ(ask(request).error_response().error_code(), 5);
  ASSERT_TRUE(call_.send("\xff\xff"));
  std::string message;
  EXPECT_FALSE(call_.receive(&message));
  EXPECT_EQ(call_.end().code, 3);
}

INSTANTIATE_TEST_SUITE_P(
    Versions, GrpcReflection,
    ::testing::Values("grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
                      "grpc.reflection.v1alpha.ServerReflection/"
                      "ServerReflectionInfo"),
    [](const auto& test) { return test.index == 0 ? "v1" : "v1alpha"; });

}  // namespace
}  // namespace slip::grpc
