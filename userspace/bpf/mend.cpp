// SPDX-License-Identifier: BSD-2-Clause
#include "bpf/mend.hpp"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <map>
#include <set>

#include "base/hash.hpp"
#include "bpf/attach.hpp"
#include "bpf/install.hpp"
#include "bpf/keeper.hpp"
#include "bpf/load.hpp"
#include "bpf/objects.hpp"
#include "bpf/open_map.hpp"

namespace ksms {
namespace {

constexpr std::uint32_t kMostMaps = 64;  // of one program

/// A program or map in the kernel, pinned or not.
struct Living {
    Fd fd;
    std::string name;
    std::vector<std::uint32_t> maps;  ///< ids; of a program
};

/// The programs and maps of one installation. They are found by the maps that its programs share
/// (.rodata and others).
class Installation {
public:
    explicit Installation(const PinRoot& root) : root_(fnv1a(root.path)) {}

    /// @return an error if a program could not be examined; then nothing is known
    Status find() {
        KSMS_CHECK(read_programs());
        std::set<std::uint32_t> own;
        for (const auto& program : programs_)
            for (const auto id : program.maps) {
                KSMS_TRY(const bool ours, is_of_this_root(id));
                if (ours) own.insert(id);
            }
        if (own.empty()) return {};
        for (bool more = true; more;) {
            const auto before = own.size();
            for (const auto& program : programs_)
                if (shares(program, own)) own.insert(program.maps.begin(), program.maps.end());
            more = own.size() > before;
        }
        for (auto& program : programs_)
            if (shares(program, own))
                found_.emplace(full_name(program.name), std::move(program.fd));
        for (const auto id : own)
            if (auto& map = maps_[id]; map.fd)
                found_.emplace(full_name(map.name), std::move(map.fd));
        return {};
    }

    /// The descriptor of the map or program with this name; -1 if it does not exist any more.
    [[nodiscard]] int operator[](const std::string& name) const {
        const auto at = found_.find(name);
        return at == found_.end() ? -1 : at->second.get();
    }
    [[nodiscard]] bool empty() const { return found_.empty(); }

private:
    static bool shares(const Living& program, const std::set<std::uint32_t>& own) {
        for (const auto id : program.maps)
            if (own.contains(id)) return true;
        return false;
    }

    /// The kernel keeps 15 bytes of a name (BPF_OBJ_NAME_LEN).
    static std::string full_name(const std::string& kept) {
        if (kept.size() < BPF_OBJ_NAME_LEN - 1) return kept;
        for (std::size_t i = 0; i < static_cast<std::size_t>(Program::count_); ++i) {
            const std::string name = name_of(static_cast<Program>(i));
            if (name.starts_with(kept)) return name;
        }
        return kept;
    }

    Status read_programs() {
        std::uint32_t id = 0;
        while (bpf_prog_get_next_id(id, &id) == 0) {
            Fd fd(bpf_prog_get_fd_by_id(id));
            if (!fd && errno == ENOENT) continue;
            if (!fd) return fail_errno(errno, fmt::format("open the BPF program {}", id));
            std::vector<std::uint32_t> maps(kMostMaps);
            bpf_prog_info info{};
            info.nr_map_ids = kMostMaps;
            info.map_ids = reinterpret_cast<std::uint64_t>(maps.data());
            std::uint32_t size = sizeof info;
            if (bpf_obj_get_info_by_fd(fd.get(), &info, &size) != 0)
                return fail_errno(errno, fmt::format("look at the BPF program {}", id));
            const std::string name = info.name;
            if (!name.starts_with("ksms_")) continue;
            maps.resize(std::min(info.nr_map_ids, kMostMaps));
            programs_.push_back({std::move(fd), name, std::move(maps)});
        }
        return errno == ENOENT ? Status{} : fail_errno(errno, "list the BPF programs");
    }

    /// The maps config and registry contain a hash of their root.
    Result<bool> is_of_this_root(std::uint32_t id) {
        auto& map = maps_[id];
        if (map.fd) return false;
        map.fd = Fd(bpf_map_get_fd_by_id(id));
        if (!map.fd && errno == ENOENT) return false;
        const auto what = fmt::format("look at the BPF map {}", id);
        if (!map.fd) return fail_errno(errno, what);
        KSMS_TRY(const auto info, info_of<bpf_map_info>(map.fd.get(), what));
        map.name = info.name;
        if (map.name == "config") return belongs<ksms_config>(map, info);
        if (map.name == "registry") return belongs<ksms_registry>(map, info);
        return false;
    }

    template <typename V>
    Result<bool> belongs(const Living& map, const bpf_map_info& info) const {
        if (info.value_size != sizeof(V)) return false;
        const std::uint32_t zero = 0;
        V value{};
        if (bpf_map_lookup_elem(map.fd.get(), &zero, &value) != 0)
            return fail_errno(errno, "read the map " + map.name);
        return value.root == root_ && value.abi == KSMS_ABI_VERSION;
    }

    std::uint64_t root_;
    std::vector<Living> programs_;
    std::map<std::uint32_t, Living> maps_;
    std::map<std::string, Fd> found_;
};

/// The names of all pins.
struct Names {
    std::vector<std::string> maps, programs;
};

Result<Names> expected_names() {
    const Skeleton skeleton(ksms_bpf::open());
    if (!skeleton) return fail_errno(errno, "open the BPF object");
    Names names;
    bpf_map* map = nullptr;
    bpf_object__for_each_map(map, skeleton->obj) {
        const std::string name = bpf_map__name(map);
        if (name.find('.') == std::string::npos) names.maps.push_back(name);
    }
    for (const auto program : {Program::lease, Program::setup, Program::exit, Program::keep})
        names.programs.emplace_back(name_of(program));
    return names;
}

/// A path that cannot be examined counts as existing, so that nothing replaces it.
bool is_there(const std::string& path) {
    return access(path.c_str(), F_OK) == 0 || errno != ENOENT;
}

bool is_pinned(const PinRoot& root, const std::string& name) {
    return is_there(root.path + "/" + name);
}

PinFinding mend_map(const PinRoot& root, const std::string& name, const Installation& living,
                    bool repair) {
    PinFinding finding{name, false, {}};
    const int fd = living[name];
    if (fd < 0)
        finding.lost_words = "nothing holds it any more: its output is lost";
    else if (repair)
        finding.mended = pin(fd, root.path + "/" + name).has_value();
    return finding;
}

/// Whether any DSCP is held.
Result<bool> in_use(const Installation& living) {
    const int leases = living["leases"];
    for (std::uint32_t dscp = 0; leases >= 0 && dscp < KSMS_DSCPS; ++dscp) {
        ksms_lease lease{};
        if (bpf_map_lookup_elem(leases, &dscp, &lease) != 0)
            return fail_errno(errno, "read the map leases");
        if ((lease.state & 0xff) != 0) return true;
    }
    return false;
}

}  // namespace

Result<std::vector<PinFinding>> mend_pins(const PinRoot& root, bool repair) {
    std::vector<PinFinding> findings;
    if (!is_there(root.path)) return findings;  // not installed, or adopt_orphans() will do it
    KSMS_TRY(const auto names, expected_names());
    Installation living(root);
    KSMS_CHECK(living.find());
    for (const auto& name : names.maps)
        if (!is_pinned(root, name)) findings.push_back(mend_map(root, name, living, repair));
    bool programs_missing = false;
    for (const auto& name : names.programs) {
        if (is_pinned(root, name)) continue;
        programs_missing = true;
        findings.push_back({name, false, {}});
    }
    const bool hook_missing = !is_pinned(root, kExitHook);
    if (hook_missing) findings.push_back({kExitHook, false, {}});
    if (!repair || !(programs_missing || hook_missing)) return findings;
    KSMS_CHECK(reinstall_programs(root));
    for (auto& finding : findings) finding.mended |= is_pinned(root, finding.name);
    return findings;
}

Status set_timers(const PinRoot& root) {
    KSMS_TRY(const auto setup, open_pin(root.path + "/" + name_of(Program::setup)));
    return set_up(setup.get());
}

Result<bool> is_unused(const PinRoot& root) {
    Installation living(root);
    KSMS_CHECK(living.find());
    KSMS_TRY(const bool used, in_use(living));
    return !used;
}

Result<bool> drop_unused(const PinRoot& root) {
    KSMS_TRY(const auto kept, kept_program(root));
    if (is_there(root.path) || kept == 0) return false;
    KSMS_TRY(const bool unused, is_unused(root));
    return unused ? let_go(root) : Result<bool>(false);
}

Status adopt_orphans(const PinRoot& root, const std::string& directory) {
    Installation living(root);
    KSMS_CHECK(living.find());
    // Users hold the lease program. Without users the maps exist for some milliseconds, until the
    // kernel has freed the exit hook, or longer if the keeper holds them.
    const bool used = living[name_of(Program::lease)] >= 0;
    if (!used) {
        KSMS_TRY(const auto kept, kept_program(root));
        KSMS_TRY(const bool held, in_use(living));
        if (kept == 0 || !held) return {};
    }
    for (const auto* name : kRegistryMaps)
        if (living[name] < 0) return {};  // an incomplete registry is useless
    KSMS_TRY(const auto names, expected_names());
    // A running scan holds all maps. The owner of a lease only has those of the registry.
    bool all = true;
    for (const auto& name : names.maps) all &= living[name] >= 0;
    for (const auto& name : names.maps) {
        const bool wanted = all || std::ranges::find(kRegistryMaps, name) != kRegistryMaps.end();
        if (wanted) KSMS_CHECK(pin(living[name], directory + "/" + name));
    }
    return {};
}

}  // namespace ksms
