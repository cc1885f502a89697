#include <algorithm>
#include <array>

#include "store/kafka/kafka.h"

namespace slip::kafka {
namespace {

constexpr std::array<Property, 14> kProperties = {{
    {"security.protocol"},
    {"sasl.mechanism"},
    {"sasl.username"},
    {"sasl.password", true},
    {"ssl.ca.pem", false, true},
    {"ssl.certificate.pem", false, true},
    {"ssl.key.pem", true, true},
    {"ssl.key.password", true},
    {"ssl.endpoint.identification.algorithm"},
    {"client.id"},
    {"client.rack"},
    {"group.id"},
    {"socket.timeout.ms"},
    {"broker.address.family"},
}};

}  // namespace

const Property* property(std::string_view name) {
  const auto* found = std::find_if(kProperties.begin(), kProperties.end(),
                                   [&](const Property& p) { return p.name == name; });
  return found == kProperties.end() ? nullptr : found;
}

std::string property_names() {
  std::string out;
  for (const Property& p : kProperties) {
    if (!out.empty()) out += ", ";
    out += p.name;
  }
  return out;
}

}  // namespace slip::kafka
