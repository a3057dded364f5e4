// SPDX-License-Identifier: BSD-2-Clause
// Records of another version are read by the names of their fields, wherever those are.
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <filesystem>
#include <memory>

#include "base/fd.hpp"
#include "bpf/attach.hpp"
#include "bpf/other_abi.hpp"

using namespace ksms;

namespace {

/// A lease of a version that never was: other places, other sizes.
struct StrangeLease {
    char user[16];
    char job[32];
    std::uint32_t uid;
    std::uint32_t owner_pid;
    std::uint32_t state;
    std::uint32_t added;
    std::uint64_t expires_ns;
    std::uint64_t owner_start;
};
struct StrangeConfig {
    std::uint32_t abi;
    std::uint32_t pad;
    std::uint64_t object_hash;
    std::uint64_t active_scans;
};

class Types {
public:
    Types() : btf_(btf__new_empty(), btf__free) {
        u32 = btf__add_int(btf_.get(), "unsigned int", 4, 0);
        u64 = btf__add_int(btf_.get(), "unsigned long", 8, 0);
        character = btf__add_int(btf_.get(), "char", 1, BTF_INT_CHAR);
    }
    int text(std::uint32_t length) { return btf__add_array(btf_.get(), u32, character, length); }
    int record(const char* name, std::size_t size) {
        return btf__add_struct(btf_.get(), name, static_cast<std::uint32_t>(size));
    }
    void field(const char* name, int type, std::size_t offset) {
        REQUIRE(btf__add_field(btf_.get(), name, type, static_cast<std::uint32_t>(offset * 8), 0) ==
                0);
    }
    Fd array(const char* name, int value, std::size_t size, std::uint32_t entries) {
        REQUIRE(btf__load_into_kernel(btf_.get()) == 0);
        LIBBPF_OPTS(bpf_map_create_opts, options,
                    .btf_fd = static_cast<std::uint32_t>(btf__fd(btf_.get())),
                    .btf_key_type_id = static_cast<std::uint32_t>(u32),
                    .btf_value_type_id = static_cast<std::uint32_t>(value));
        Fd map(bpf_map_create(BPF_MAP_TYPE_ARRAY, name, 4, static_cast<std::uint32_t>(size),
                              entries, &options));
        REQUIRE(map);
        return map;
    }
    int u32, u64, character;

private:
    std::unique_ptr<btf, decltype(&btf__free)> btf_;
};

Fd make_config(const char* scans) {
    Types types;
    const int type = types.record("ksms_config", sizeof(StrangeConfig));
    types.field("abi", types.u32, offsetof(StrangeConfig, abi));
    types.field(scans, types.u64, offsetof(StrangeConfig, active_scans));
    auto map = types.array("config", type, sizeof(StrangeConfig), 1);
    const std::uint32_t zero = 0;
    const StrangeConfig config{77, 0, 5, 1ull << 40};
    REQUIRE(bpf_map_update_elem(map.get(), &zero, &config, BPF_ANY) == 0);
    return map;
}

Fd make_leases() {
    Types types;
    const int user = types.text(16), job = types.text(32);
    const int type = types.record("ksms_lease", sizeof(StrangeLease));
    types.field("user", user, offsetof(StrangeLease, user));
    types.field("job", job, offsetof(StrangeLease, job));
    types.field("uid", types.u32, offsetof(StrangeLease, uid));
    types.field("owner_pid", types.u32, offsetof(StrangeLease, owner_pid));
    types.field("state", types.u32, offsetof(StrangeLease, state));
    types.field("expires_ns", types.u64, offsetof(StrangeLease, expires_ns));
    types.field("owner_start", types.u64, offsetof(StrangeLease, owner_start));
    auto map = types.array("leases", type, sizeof(StrangeLease), 64);
    StrangeLease lease{};
    std::memset(lease.user, 'u', sizeof lease.user);  // as long as can be, without a zero
    std::strcpy(lease.job, "old-job");
    lease.uid = 1000;
    lease.owner_pid = 4711;
    lease.state = 9 << 8 | 2;
    lease.expires_ns = 12;
    lease.owner_start = 13;
    const std::uint32_t dscp = 45;
    REQUIRE(bpf_map_update_elem(map.get(), &dscp, &lease, BPF_ANY) == 0);
    return map;
}

struct Directory {
    Directory() { REQUIRE(mkdir(path.c_str(), 0700) == 0); }
    Directory(const Directory&) = delete;
    Directory& operator=(const Directory&) = delete;
    ~Directory() { std::filesystem::remove_all(path); }
    std::string path{fmt::format("/sys/fs/bpf/ksmst{}_pins", getpid())};
};

}  // namespace

TEST_CASE("another ABI: leases are read by the names of their fields") {
    const Directory directory;
    REQUIRE(pin(make_config("active_scans").get(), directory.path + "/config"));
    REQUIRE(pin(make_leases().get(), directory.path + "/leases"));
    const auto found = find_other_abi(PinRoot{directory.path});
    REQUIRE(found);
    REQUIRE(*found);
    const auto& other = **found;
    CHECK(other.version == 77);
    CHECK(other.active_scans == 1ull << 40);
    REQUIRE(other.leases.size() == 1);
    const auto& lease = other.leases.front();
    CHECK(lease.dscp == 45);
    CHECK(lease.owner_pid == 4711);
    CHECK(lease.uid == 1000);
    CHECK(lease.owner_start == 13);
    CHECK(lease.expires_ns == 12);
    CHECK(lease.job == "old-job");
    CHECK(lease.user == std::string(16, 'u'));
}

TEST_CASE("another ABI: where it does not say who holds what, that is an error, not a guess") {
    const Directory directory;
    SECTION("a field is missing") {
        REQUIRE(pin(make_config("scans_now").get(), directory.path + "/config"));
        REQUIRE(pin(make_leases().get(), directory.path + "/leases"));
    }
    SECTION("the leases are missing") {
        REQUIRE(pin(make_config("active_scans").get(), directory.path + "/config"));
    }
    SECTION("a map without types") {
        const Fd plain(bpf_map_create(BPF_MAP_TYPE_ARRAY, "config", 4, 8, 1, nullptr));
        REQUIRE(pin(plain.get(), directory.path + "/config"));
    }
    const auto found = find_other_abi(PinRoot{directory.path});
    CHECK_FALSE(found);
}
