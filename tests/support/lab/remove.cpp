// SPDX-License-Identifier: BSD-2-Clause
#include "lab/remove.hpp"

#include <signal.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <filesystem>
#include <set>
#include <system_error>

namespace ksms::lab {
namespace {

namespace fs = std::filesystem;

void collect_dead(const fs::path& directory, std::set<std::string>& dead) {
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(directory, ignored)) {
        const auto name = entry.path().filename().string();
        const auto end = name.find('_');
        if (!name.starts_with("ksmst") || end == std::string::npos) continue;
        pid_t pid = 0;
        const char* digits = name.data() + 5;
        const auto parsed = std::from_chars(digits, name.data() + end, pid);
        if (parsed.ptr != name.data() + end || pid <= 0) continue;
        if (::kill(pid, 0) != 0 && errno == ESRCH) dead.insert(name.substr(0, end + 1));
    }
}

}  // namespace

void remove_namespaces(const std::string& prefix) {
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator("/run/netns", ignored)) {
        if (!entry.path().filename().string().starts_with(prefix)) continue;
        ::umount2(entry.path().c_str(), MNT_DETACH);
        ::unlink(entry.path().c_str());
    }
}

void remove_cgroups(const std::string& prefix) {
    std::error_code ignored;
    for (const char* place : {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"})
        for (const auto& entry : fs::directory_iterator(place, ignored))
            if (entry.path().filename().string().starts_with(prefix)) ::rmdir(entry.path().c_str());
}

void remove_tree(const std::string& directory) {
    std::error_code ignored;
    fs::remove_all(directory, ignored);
}

void remove_labs_of_the_dead() {
    std::set<std::string> dead;
    for (const char* place :
         {"/run/netns", "/sys/fs/bpf", "/tmp", "/sys/fs/cgroup", "/sys/fs/cgroup/unified"})
        collect_dead(place, dead);
    for (const auto& prefix : dead) {
        remove_namespaces(prefix);
        remove_tree("/sys/fs/bpf/" + prefix + "pins");
        remove_cgroups(prefix);
        remove_tree("/tmp/" + prefix + "files");
    }
}

}  // namespace ksms::lab
