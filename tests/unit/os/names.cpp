// SPDX-License-Identifier: BSD-2-Clause
// Namespaces and processes by the names that people give them; no root.
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <string>

#include "os/descriptor_limit.hpp"
#include "os/netns.hpp"
#include "os/process.hpp"

using namespace ksms;

TEST_CASE("namespaces: what is no name is refused, what is not there is not found") {
    for (const auto* bad :
         {"../../etc", "a/b", "..", ".", "", "-x", "pid:", "pid:0", "pid:1x", "pid:-1"}) {
        INFO(bad);
        const auto netns = Netns::open(bad);
        REQUIRE_FALSE(netns);
        CHECK(netns.error().code == Code::usage);
        CHECK_FALSE(netns.error().hint.empty());
    }
    for (const auto* gone :
         {"no-such-namespace", "pid:4194303", "/proc/4194303/ns/net", "/no/such/file"}) {
        INFO(gone);
        const auto netns = Netns::open(gone);
        REQUIRE_FALSE(netns);
        CHECK(netns.error().code == Code::not_found);
    }
}

TEST_CASE("namespaces: names of any script can be asked for, control characters cannot") {
    for (const auto& name :
         {std::string("av-ütf"), std::string("北京"), std::string("a b"), std::string(255, 'n')}) {
        INFO(name);
        CHECK(Netns::open(name).error().code == Code::not_found);
    }
    for (const auto& name : {std::string("a\nb"), std::string("x\x1b[31m"), std::string("\x7f"),
                             std::string(256, 'n')})
        CHECK(Netns::open(name).error().code == Code::usage);
}

/// The soft limit of descriptors, lowered for a scope.
class DescriptorLimit {
public:
    explicit DescriptorLimit(rlim_t most) {
        REQUIRE(getrlimit(RLIMIT_NOFILE, &before_) == 0);
        const rlimit lowered{most, before_.rlim_max};
        REQUIRE(setrlimit(RLIMIT_NOFILE, &lowered) == 0);
    }
    DescriptorLimit(const DescriptorLimit&) = delete;
    DescriptorLimit& operator=(const DescriptorLimit&) = delete;
    ~DescriptorLimit() { setrlimit(RLIMIT_NOFILE, &before_); }

private:
    rlimit before_{};
};

TEST_CASE("namespaces: where descriptors run out there is an error, never a shorter list") {
    const auto whole = all_netns();
    REQUIRE(whole);
    REQUIRE_FALSE(whole->empty());
    const int lowest = dup(STDIN_FILENO);
    close(lowest);
    std::size_t refused = 0;
    for (auto most = static_cast<rlim_t>(lowest);; ++most) {
        const DescriptorLimit limit(most);
        const auto found = all_netns();
        if (found) {
            REQUIRE(found->size() == whole->size());
            for (std::size_t i = 0; i < found->size(); ++i)
                CHECK((*found)[i].cookie() == (*whole)[i].cookie());
            break;
        }
        ++refused;
        REQUIRE(is_out_of_descriptors(found.error()));
        CHECK(found.error().hint.find("RLIMIT_NOFILE allows this process " +
                                      std::to_string(most)) == 0);
    }
    CHECK(refused >= 2);
}

TEST_CASE("descriptors: the soft limit is raised to the hard one, and given back for a child") {
    const auto soft = [] {
        rlimit limit{};
        getrlimit(RLIMIT_NOFILE, &limit);
        return limit.rlim_cur;
    };
    rlimit before{};
    REQUIRE(getrlimit(RLIMIT_NOFILE, &before) == 0);
    const DescriptorLimit limit(50);
    raise_descriptor_limit();
    CHECK(soft() == before.rlim_max);
    raise_descriptor_limit();
    restore_descriptor_limit();
    CHECK(soft() == 50);
}

TEST_CASE("namespaces: a path that is none is not found, whether there is a file or not") {
    for (const std::string path : {"/etc/passwd", "/proc/self/ns/mnt", "/etc", "/etc/passwd/x",
                                   "/no/such/file", "/dev/null"}) {
        const auto netns = Netns::open(path);
        REQUIRE_FALSE(netns);
        CHECK(netns.error().code == Code::not_found);
        CHECK(netns.error().text() == "there is no network namespace at " + path);
    }
}

TEST_CASE("namespaces: to look at a path does nothing to what is there") {
    const auto path = "/tmp/ksmst" + std::to_string(getpid()) + "_pipe";
    REQUIRE(mkfifo(path.c_str(), 0600) == 0);
    // Opened for reading it would wait for somebody who writes.
    CHECK(Netns::open(path).error().code == Code::not_found);
    unlink(path.c_str());
}

TEST_CASE("namespaces: our own is nobody else's") {
    const auto own = Netns::current();
    REQUIRE(own);
    CHECK_FALSE(own->stranger().value());
    CHECK_FALSE(own->has_name());
}

TEST_CASE("processes: start time tells one from the next, and the name may hold anything") {
    const auto self = this_process();
    REQUIRE(self);
    CHECK(self->pid == static_cast<std::uint32_t>(getpid()));
    CHECK(self->start > 0);
    CHECK(is_alive(*self));
    CHECK_FALSE(is_alive({self->pid, self->start + 1}));
    CHECK_FALSE(is_alive({4194303, 1}));
    CHECK(process_id(4194303).error().code == Code::not_found);
    CHECK_FALSE(user_name().empty());
}
