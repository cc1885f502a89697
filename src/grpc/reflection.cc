#include "grpc/reflection.h"

#include <memory>
#include <set>

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <grpc/reflection/v1/reflection.pb.h>
#include <grpc/reflection/v1alpha/reflection.pb.h>

#include "base/error_map.h"
#include "base/text.h"

namespace slip::grpc {
namespace {

using google::protobuf::DescriptorPool;
using google::protobuf::FileDescriptor;
// The two versions differ in their package only, which isn't on the wire.
using ::grpc::reflection::v1::ServerReflectionRequest;
using ::grpc::reflection::v1::ServerReflectionResponse;

using Services = std::vector<std::string>;

constexpr int64_t kRequestBytesMax = 16 << 10;

const DescriptorPool& pool() { return *google::protobuf::DescriptorPool::generated_pool(); }

void add_file(const FileDescriptor& file, std::set<std::string>* seen,
              ServerReflectionResponse* out) {
  if (!seen->insert(file.name()).second) return;
  google::protobuf::FileDescriptorProto proto;
  file.CopyTo(&proto);
  out->mutable_file_descriptor_response()->add_file_descriptor_proto(proto.SerializeAsString());
  for (int i = 0; i < file.dependency_count(); ++i) add_file(*file.dependency(i), seen, out);
}

Status tell_file(const FileDescriptor* file, std::string_view asked,
                 ServerReflectionResponse* out) {
  if (file == nullptr)
    return not_found("reflection.unknown", concat({"nothing is known of `", asked, "`"}));
  std::set<std::string> seen;
  add_file(*file, &seen, out);
  return {};
}

Status tell(const Services& services, const ServerReflectionRequest& in,
            ServerReflectionResponse* out) {
  switch (in.message_request_case()) {
    case ServerReflectionRequest::kListServices:
      for (const std::string& name : services)
        out->mutable_list_services_response()->add_service()->set_name(name);
      return {};
    case ServerReflectionRequest::kFileByFilename:
      return tell_file(pool().FindFileByName(in.file_by_filename()), in.file_by_filename(), out);
    case ServerReflectionRequest::kFileContainingSymbol:
      return tell_file(pool().FindFileContainingSymbol(in.file_containing_symbol()),
                       in.file_containing_symbol(), out);
    case ServerReflectionRequest::kFileContainingExtension:
    case ServerReflectionRequest::kAllExtensionNumbersOfType:
      return not_found("reflection.unknown", "no message here has extensions");
    case ServerReflectionRequest::MESSAGE_REQUEST_NOT_SET:
      break;
  }
  return invalid("reflection.message", "the request asks for nothing");
}

Result<Reply> answer(const Services& services, const Request& request) {
  ServerReflectionRequest in;
  if (!in.ParseFromArray(request.message.data(), static_cast<int>(request.message.size())))
    return invalid("reflection.message", "this is no ServerReflectionRequest");
  ServerReflectionResponse out;
  out.set_valid_host(in.host());
  *out.mutable_original_request() = in;
  if (const Status told = tell(services, in, &out); !told.ok()) {
    out.mutable_error_response()->set_error_code(code_row(told.error().code).grpc_status);
    out.mutable_error_response()->set_error_message(told.error().text);
  }
  return Reply{out.SerializeAsString()};
}

Method row(const google::protobuf::Descriptor& message,
           const std::shared_ptr<const Services>& services) {
  Method out;
  out.name = concat({message.file()->service(0)->full_name(), "/ServerReflectionInfo"});
  out.kind = Kind::kBidi;
  out.permission = {http::Right::kPublic, "server"};
  out.audit = http::Audit::kNone;
  out.message_bytes_max = kRequestBytesMax;
  out.summary = "What methods there are, and their messages.";
  out.inline_ = [services](const Ctx&, Request& request, Responder respond) {
    std::move(respond)(answer(*services, request));
  };
  return out;
}

}  // namespace

std::vector<Method> reflection_methods(const std::vector<Method>& rows) {
  const auto services = std::make_shared<Services>(service_names(rows));
  std::vector<Method> out;
  out.push_back(row(*ServerReflectionRequest::descriptor(), services));
  out.push_back(row(*::grpc::reflection::v1alpha::ServerReflectionRequest::descriptor(), services));
  for (const std::string& own : service_names(out)) services->push_back(own);
  return out;
}

}  // namespace slip::grpc
