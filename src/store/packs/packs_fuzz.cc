#include "store/packs/packs.h"

#include "store/packs/frame.h"
#include "sys/clock.h"
#include "sys/executor.h"
#include "sys/log.h"
#include "sys/sim/sim_fs.h"
#include "test/fuzz/fuzz.h"

SLIP_FUZZ(pack_footer) {
  const std::string_view bytes = slip::fuzz::as_text(data);
  const auto entries = slip::store::packs::decode_footer(bytes);
  if (entries)
    for (const auto& e : *entries)
      if (e.frame.type == slip::store::packs::FrameType::kBlob)
        (void)slip::store::packs::decode_blob(e.payload);
  (void)slip::store::packs::decode_blob(bytes);
  (void)slip::store::packs::decode_pack_header(bytes);
}

// Any bytes behind a good header: the store opens, or says why not, and takes new blobs.
SLIP_FUZZ(pack) {
  slip::sim::SimFs fs(1);
  CHECK(fs.make_dirs("/b").ok());
  const std::string head = slip::store::packs::encode_pack_header({.number = 1, .key = 0});
  CHECK(
      slip::write_file_atomic(fs, "/b/00000001.pack", head + std::string(slip::fuzz::as_text(data)))
          .ok());
  auto blobs = slip::store::packs::open(
      {fs, slip::real_clock(), slip::real_executor(), slip::null_log()}, "/b", {});
  if (!blobs.ok()) return;
  const auto digest = (*blobs)->put("new");
  CHECK(digest.ok() && (*blobs)->verify(*digest).ok());
}
