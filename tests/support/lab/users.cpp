// SPDX-License-Identifier: BSD-2-Clause
#include "lab/users.hpp"

#include <fmt/format.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <utility>

#include "lab/thread.hpp"

namespace ksms::lab {
namespace {

std::string text_of(const std::string& file) {
    std::ostringstream text;
    text << std::ifstream(file).rdbuf();
    return text.str();
}

}  // namespace

std::string own_users(const Lab& lab, bool group) {
    std::filesystem::permissions(lab.directory(), std::filesystem::perms{0755});
    std::istringstream before(text_of("/etc/group"));
    std::ofstream groups(lab.directory() + "/group");
    for (std::string line; std::getline(before, line);)
        if (!line.starts_with("ksms:")) groups << line << "\n";
    if (group) groups << fmt::format("ksms:x:{}:ksmst-carol\n", kKsmsGroup);
    std::ofstream users(lab.directory() + "/passwd");
    users << text_of("/etc/passwd");
    for (const auto& [name, client] :
         {std::pair{"alice", kAlice}, {"bob", kBob}, {"paul", kPaul}, {"carol", kCarol}})
        users << fmt::format("ksmst-{}:x:{}:{}::/:/bin/false\n", name, client.uid, client.gid);
    std::string lines;
    for (const char* file : {"group", "passwd"})
        lines += fmt::format("mount --bind {}/{} /etc/{}\n", lab.directory(), file, file);
    return lines;
}

void as_client(const Client& client, const std::function<void()>& what) {
    on_a_thread([&] {
        // The system calls themselves change this thread alone; the library's change all.
        if (::syscall(SYS_setgroups, client.groups.size(), client.groups.data()) != 0 ||
            ::syscall(SYS_setresgid, client.gid, client.gid, client.gid) != 0 ||
            ::syscall(SYS_setresuid, client.uid, client.uid, client.uid) != 0)
            throw std::runtime_error("become another user");
        what();
    });
}

}  // namespace ksms::lab
