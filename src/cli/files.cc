#include "cli/files.h"

#include <algorithm>
#include <span>
#include <vector>

#include "base/text.h"
#include "codec/hash.h"
#include "sys/command.h"
#include "sys/fs.h"

namespace slip::cli {
namespace {

constexpr size_t kPieceBytes = 1 << 20;
constexpr int64_t kPathBytesMax = 4096;

Status each_piece(Fs& fs, const std::string& path,
                  const std::function<Status(std::string_view)>& on_piece) {
  const std::unique_ptr<File> file = TRY(fs.open(path, OpenMode::kRead));
  FileSource source(*file);
  std::vector<char> piece(kPieceBytes);
  while (const size_t n = TRY(source.read(piece))) TRY(on_piece(std::string_view(piece.data(), n)));
  return {};
}

}  // namespace

Result<size_t> FileSource::read(std::span<char> out) {
  const size_t n = TRY(file_.read_at(offset_, out));
  offset_ += static_cast<int64_t>(n);
  return n;
}

Result<size_t> TextSource::read(std::span<char> out) {
  const size_t n = std::min(out.size(), left_.size());
  std::copy_n(left_.begin(), n, out.begin());
  left_.remove_prefix(n);
  return n;
}

Result<FileDigest> digest_file(Fs& fs, const std::string& path) {
  codec::Sha256Stream digest;
  FileDigest out;
  TRY(each_piece(fs, path, [&](std::string_view piece) -> Status {
    digest.update(piece);
    out.bytes += static_cast<int64_t>(piece.size());
    return {};
  }));
  out.sha256 = digest.finish().hex();
  return out;
}

Status copy_file(Fs& fs, const std::string& from, const std::string& to) {
  TRY(fs.make_dirs(parent_dir(to)));
  const std::unique_ptr<File> copy = TRY(fs.open(to, OpenMode::kTruncate));
  return each_piece(fs, from, [&](std::string_view piece) { return copy->append(piece); });
}

Result<std::string> read_stream(Fs& fs, const std::string& path, size_t bytes_max) {
  std::string out;
  TRY(each_piece(fs, path, [&](std::string_view piece) -> Status {
    if (out.size() + piece.size() > bytes_max)
      return exhausted("fs.too_large", concat({path, " is too large"}));
    out += piece;
    return {};
  }));
  return out;
}

std::string path_in(std::string_view directory, std::string_view path) {
  if (path.starts_with('/')) return std::string(path);
  return concat({directory, directory.ends_with('/') ? "" : "/", path});
}

Result<Scratch> Scratch::make(Fs& fs, Process& process) {
  const Printed made = TRY(
      output_of(process, {.argv = {"mktemp", "-d", "-t", "slipway-XXXXXXXXXX"}}, kPathBytesMax));
  if (made.code != 0) return unavailable("fs.scratch", concat({"no place for files: ", made.err}));
  return Scratch(fs, std::string(trim(made.out)));
}

Scratch::Scratch(Scratch&& other) noexcept
    : fs_(other.fs_), path_(std::move(other.path_)), kept_(other.kept_) {
  other.kept_ = true;
}

Scratch::~Scratch() {
  if (!kept_) ignore(fs_->remove_all(path_), "a temporary directory may stay");
}

}  // namespace slip::cli
