#include "wire/oip/regions.h"

#include "base/text.h"
#include "wire/oip/raw_tensor.h"

namespace slip::wire::oip {
namespace {

// Triton's own workers keep theirs under such names.
constexpr std::string_view kReservedPrefix = "triton_python_backend_shm_region_";

Error off() {
  return Error(unsupported("shared_memory.off", "Client shared memory is disabled"))
      .with_hint("the operator turns it on by --allow-client-shm");
}

Error no_region(std::string_view name) {
  return invalid("shared_memory.unknown",
                 concat({"Unable to find shared memory region: '", name, "'"}));
}

Status check_key(std::string_view name, std::string_view key) {
  std::string_view bare = key;
  while (bare.starts_with('/')) bare.remove_prefix(1);
  if (bare.starts_with(kReservedPrefix))
    return invalid("shared_memory.key",
                   concat({"cannot register shared memory region '", name, "' with key '", key,
                           "' as the key contains the reserved prefix '", kReservedPrefix, "'"}));
  if (bare.empty() || bare.find('/') != bare.npos)
    return invalid("shared_memory.key", concat({"cannot register shared memory region '", name,
                                                "' - invalid shm key '", key, "'"}));
  return {};
}

}  // namespace

Status Regions::add(const std::string& name, const std::string& key, uint64_t offset,
                    uint64_t bytes) {
  if (!allowed_) return off();
  if (name.empty() || name.size() > kRegionNameBytesMax)
    return invalid("shared_memory.name",
                   "'region name' is necessary to register system shared memory region");
  TRY(check_key(name, key));
  auto region = std::make_shared<Region>();
  auto memory = open_shared_memory(key.substr(key.find_first_not_of('/')));
  if (!memory.ok())
    return invalid("shared_memory.open", concat({"Unable to open shared memory region: '", key,
                                                 "': ", memory.error().text}));
  region->memory = std::move(*memory);
  const auto size = static_cast<uint64_t>(TRY(region->memory->size()));
  if (bytes == 0 || offset > size || bytes > size - offset)
    return invalid("shared_memory.range",
                   concat({"failed to register shared memory region '", name, "': invalid args"}));
  region->name = name;
  region->key = key;
  region->offset = offset;
  region->bytes = bytes;
  return regions_.with([&](auto& regions) -> Status {
    if (regions.contains(name))
      return exists("shared_memory.exists",
                    concat({"shared memory region '", name, "' already in manager"}));
    if (regions.size() >= kRegionsMax)
      return exhausted("shared_memory.too_many", "too many shared memory regions are registered");
    regions[name] = std::move(region);
    return {};
  });
}

Status Regions::remove(const std::string& name) {
  if (!allowed_ && !name.empty()) return off();
  std::map<std::string, std::shared_ptr<const Region>> gone;  // Closed without the lock.
  regions_.with([&](auto& regions) {
    if (name.empty())
      gone.swap(regions);
    else if (auto taken = regions.extract(name))
      gone.insert(std::move(taken));
  });
  return {};
}

Result<std::vector<std::shared_ptr<const Region>>> Regions::list(const std::string& name) const {
  std::vector<std::shared_ptr<const Region>> out;
  regions_.with([&](const auto& regions) {
    for (const auto& [known, region] : regions)
      if (name.empty() || name == known) out.push_back(region);
  });
  if (!name.empty() && out.empty())
    return invalid("shared_memory.unknown",
                   concat({"Unable to find system shared memory region: '", name, "'"}));
  return out;
}

Result<Place> Regions::find(const std::string& name, uint64_t offset, uint64_t bytes) const {
  if (!allowed_) return off();
  Place place;
  place.region = regions_.with([&](const auto& regions) -> std::shared_ptr<const Region> {
    const auto found = regions.find(name);
    return found == regions.end() ? nullptr : found->second;
  });
  if (!place.region) return no_region(name);
  if (offset >= place.region->bytes)
    return invalid("shared_memory.range",
                   concat({"Invalid offset for shared memory region: '", name, "'"}));
  if (bytes > UINT64_MAX - offset)
    return invalid("shared_memory.range",
                   concat({"Integer overflow detected: byte_size (", std::to_string(bytes),
                           ") + offset (", std::to_string(offset), ")"}));
  if (bytes > place.region->bytes - offset)
    return invalid("shared_memory.range",
                   concat({"Invalid offset + byte size for shared memory region: '", name, "'"}));
  place.offset = offset;
  place.bytes = bytes;
  return place;
}

Status take_place(const Place& place, serving::Tensor* t) {
  TRY(check_raw_size(*t, place.bytes));
  if (place.bytes > kPlaceBytesMax)
    return invalid("shared_memory.range", "a tensor in shared memory has at most 1 GiB");
  std::string bytes(place.bytes, '\0');
  const auto at = static_cast<int64_t>(place.region->offset + place.offset);
  const Status got = place.region->memory->read(at, bytes);
  if (!got.ok())
    return invalid("shared_memory.read",
                   concat({"shared memory region '", place.region->name, "': ", got.error().text}));
  return take_raw(std::move(bytes), t);
}

Status write_place(const Place& place, std::string_view bytes) {
  const auto at = static_cast<int64_t>(place.region->offset + place.offset);
  const Status put = place.region->memory->write(at, bytes);
  if (!put.ok())
    return invalid("shared_memory.write",
                   concat({"shared memory region '", place.region->name, "': ", put.error().text}));
  return {};
}

}  // namespace slip::wire::oip
