#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <sys/stat.h>

#include "sys/fs.h"
#include "sys/net.h"

// What the .cc files of sys/ share: the real system's errors, files and streams. Private to sys/.
namespace slip::posix {

Error from_errno(int code, std::string_view what, std::string_view path);
FileInfo to_info(std::string name, const struct stat& st);
std::unique_ptr<File> open_fd(int fd, std::string path);  // Owns it.
// Of a connected socket that doesn't block; owns it.
std::unique_ptr<Conn> stream_conn(int fd);

// As of Fs; every step resolves below `root` and follows no link.
Status write_beneath(const std::string& root, std::string_view relative,
                     const std::function<Status(File&)>& fill);
Result<std::vector<FileInfo>> list_beneath(const std::string& root, std::string_view relative);
Status remove_beneath(const std::string& root, std::string_view relative);

}  // namespace slip::posix
