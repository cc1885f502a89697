#include <memory>
#include <string>
#include <vector>

#include <grpc/support/time.h>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include "test/link/link.h"

namespace slip::link {
namespace {

grpc::ByteBuffer wrap(const std::string& text) {
  grpc::Slice slice(text);
  return {&slice, 1};
}

std::string unwrap(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  EXPECT_TRUE(buffer.Dump(&slices).ok());
  std::string text;
  for (const grpc::Slice& s : slices)
    text.append(reinterpret_cast<const char*>(s.begin()), s.size());
  return text;
}

enum Step : intptr_t { kAccepted = 1, kRead, kAnswered, kReplied };
void* tag(Step step) { return reinterpret_cast<void*>(step); }

// One queue turns both ends; the server's steps follow each other as their events arrive.
struct Echo {
  std::unique_ptr<grpc::ServerCompletionQueue> queue;
  grpc::GenericServerContext context;
  grpc::GenericServerAsyncReaderWriter stream{&context};
  grpc::ByteBuffer request;

  void turn_until_reply() {
    void* got = nullptr;
    bool ok = false;
    while (queue->Next(&got, &ok)) {
      EXPECT_TRUE(ok);
      if (!ok || got == tag(kReplied)) return;
      if (got == tag(kAccepted)) stream.Read(&request, tag(kRead));
      if (got == tag(kRead)) {
        stream.WriteAndFinish(request, {}, grpc::Status::OK, tag(kAnswered));
      }
    }
  }
};

}  // namespace

void check_grpc() {
  Echo echo;
  grpc::AsyncGenericService service;
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterAsyncGenericService(&service);
  echo.queue = builder.AddCompletionQueue();
  auto server = builder.BuildAndStart();
  ASSERT_NE(server, nullptr);
  service.RequestCall(&echo.context, &echo.stream, echo.queue.get(), echo.queue.get(),
                      tag(kAccepted));

  auto channel =
      grpc::CreateChannel("127.0.0.1:" + std::to_string(port), grpc::InsecureChannelCredentials());
  grpc::GenericStub stub(channel);
  grpc::ClientContext context;
  auto call = stub.PrepareUnaryCall(&context, "/link.Echo/Say", wrap("hello"), echo.queue.get());
  call->StartCall();
  grpc::ByteBuffer reply;
  grpc::Status status;
  call->Finish(&reply, &status, tag(kReplied));
  echo.turn_until_reply();
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(unwrap(reply), "hello");

  server->Shutdown(gpr_time_0(GPR_CLOCK_REALTIME));  // No call is left to wait for.
  echo.queue->Shutdown();
  void* rest = nullptr;
  bool ok = false;
  while (echo.queue->Next(&rest, &ok)) {}
}

}  // namespace slip::link
