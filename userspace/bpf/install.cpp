// SPDX-License-Identifier: BSD-2-Clause
#include "bpf/install.hpp"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string_view>
#include <utility>

#include "base/clock.hpp"
#include "base/directory.hpp"
#include "base/hash.hpp"
#include "base/text.hpp"
#include "bpf/attach.hpp"
#include "bpf/keeper.hpp"
#include "bpf/load.hpp"
#include "bpf/mend.hpp"
#include "bpf/open_map.hpp"
#include "bpf/uninstall.hpp"
#include "bpf/version.hpp"

namespace ksms {
namespace {

constexpr const char* kBpfFs = "/sys/fs/bpf";
constexpr int kSetUpAttempts = 1000;  // 1 ms apart

Status fill_config(const ksms_bpf& skeleton, const PinRoot& root) {
    ksms_config config{};
    config.abi = KSMS_ABI_VERSION;
    config.object_hash = object_hash();
    config.root = fnv1a(root.path);
    if (getrandom(config.token_key, sizeof config.token_key, 0) != sizeof config.token_key)
        return fail_errno(errno, "make a secret");
    const std::uint32_t zero = 0;
    if (bpf_map_update_elem(bpf_map__fd(skeleton.maps.config), &zero, &config, BPF_ANY) != 0)
        return fail_errno(errno, "write the map config");
    return {};
}

Status fill_registry(const ksms_bpf& skeleton, const PinRoot& root) {
    const std::uint32_t zero = 0;
    ksms_registry figures{};
    figures.abi = KSMS_ABI_VERSION;
    figures.root = fnv1a(root.path);
    if (bpf_map_update_elem(bpf_map__fd(skeleton.maps.registry), &zero, &figures, BPF_ANY) != 0)
        return fail_errno(errno, "write the map registry");
    return {};
}

/// Copies the names of the drop reasons from the kernel's BTF into a map, once per boot, because
/// parsing the BTF is slow.
void fill_reasons(const ksms_bpf& skeleton) {
    const std::unique_ptr<btf, decltype(&btf__free)> kernel(btf__load_vmlinux_btf(), btf__free);
    if (!kernel) return;
    const int id = btf__find_by_name_kind(kernel.get(), "skb_drop_reason", BTF_KIND_ENUM);
    if (id < 0) return;
    constexpr std::string_view prefix = "SKB_DROP_REASON_";
    const auto* type = btf__type_by_id(kernel.get(), static_cast<std::uint32_t>(id));
    const auto* values = btf_enum(type);
    for (int i = 0; i < btf_vlen(type); ++i) {
        std::string_view name = btf__name_by_offset(kernel.get(), values[i].name_off);
        if (name.starts_with(prefix)) name.remove_prefix(prefix.size());
        ksms_reason_name value{};
        name.copy(value.name, sizeof value.name - 1);
        const auto key = static_cast<std::uint32_t>(values[i].val);
        bpf_map_update_elem(bpf_map__fd(skeleton.maps.reasons), &key, &value, BPF_ANY);
    }
}

Status pin_programs(const ksms_bpf& skeleton, const std::string& root) {
    bpf_program* program = nullptr;
    bpf_object__for_each_program(program, skeleton.obj) {
        if (bpf_program__fd(program) < 0) continue;
        KSMS_CHECK(pin(bpf_program__fd(program), root + "/" + bpf_program__name(program)));
    }
    return {};
}

Status pin_maps(const ksms_bpf& skeleton, const std::string& root) {
    bpf_map* map = nullptr;
    bpf_object__for_each_map(map, skeleton.obj) {
        const std::string name = bpf_map__name(map);
        const auto path = root + "/" + name;
        if (name.find('.') == std::string::npos && access(path.c_str(), F_OK) != 0)
            KSMS_CHECK(pin(bpf_map__fd(map), path));
    }
    return {};
}

void remove_tree(const std::string& path) {
    std::error_code failed;
    std::filesystem::remove_all(path, failed);
}

/// Removes what a killed installer left beside the root.
void remove_stale(const PinRoot& root) {
    const auto slash = root.path.rfind('/');
    const auto parent = root.path.substr(0, slash);
    const auto prefix = root.path.substr(slash + 1) + "_new_";
    const auto names = list_directory(parent);
    for (const auto& name : names.value_or(std::vector<std::string>())) {
        if (!name.starts_with(prefix)) continue;
        const auto pid =
            parse_number<int>(std::string_view(name).substr(prefix.size())).value_or(0);
        if (pid > 0 && kill(pid, 0) != 0 && errno == ESRCH) remove_tree(parent + "/" + name);
    }
}

/// Sets up the timers of the leases and attaches the exit hook.
Status start_registry(const std::string& root, int setup, int exit) {
    KSMS_CHECK(set_up(setup));
    KSMS_TRY(const auto hook, attach_tracing(exit, 0));
    return pin(hook.get(), root + "/" + kExitHook);
}

/// Serializes changes of existing pins. The lock ends with its holder.
Result<Fd> lock_root(const PinRoot& root) {
    Fd lock(::open(root.path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!lock || flock(lock.get(), LOCK_EX) != 0) return fail_errno(errno, "lock " + root.path);
    return lock;
}

/// Replaces the programs of another build with the same ABI, and keeps the maps. Standing taps run
/// the old programs until they are attached again.
enum class Replace { if_other, always };

Status replace_programs(const PinRoot& root, Replace when) {
    KSMS_TRY(const auto lock, lock_root(root));
    KSMS_TRY(const auto raw, open_pin(root.path + "/config"));
    KSMS_TRY(const auto config, MappedArray<ksms_config>::map(raw.get(), 1, "config"));
    if (when == Replace::if_other && config.values()[0].object_hash == object_hash())
        return {};  // another process did it
    KSMS_TRY(const auto skeleton, load_object(root.path));
    bpf_program* program = nullptr;
    bpf_object__for_each_program(program, skeleton->obj) {
        if (bpf_program__fd(program) < 0) continue;
        const auto path = root.path + "/" + bpf_program__name(program);
        unlink(path.c_str());
        KSMS_CHECK(pin(bpf_program__fd(program), path));
    }
    unlink((root.path + "/" + kExitHook).c_str());
    KSMS_CHECK(start_registry(root.path, bpf_program__fd(skeleton->progs.ksms_setup),
                              bpf_program__fd(skeleton->progs.ksms_exit)));
    KSMS_CHECK(open_to_group(root.path));
    config.values()[0].object_hash = object_hash();
    return {};
}

/// Loads and pins what is not pinned in the directory yet.
Status install_in(const std::string& directory, const PinRoot& root) {
    const auto is_new = [&](const char* name) {
        return access((directory + "/" + name).c_str(), F_OK) != 0;
    };
    const bool config_is_new = is_new("config"), registry_is_new = is_new("registry");
    KSMS_TRY(const auto skeleton, load_object(directory));
    if (config_is_new) KSMS_CHECK(fill_config(*skeleton, root));
    if (registry_is_new) KSMS_CHECK(fill_registry(*skeleton, root));
    fill_reasons(*skeleton);
    KSMS_CHECK(pin_maps(*skeleton, directory));
    KSMS_CHECK(pin_programs(*skeleton, directory));
    return start_registry(directory, bpf_program__fd(skeleton->progs.ksms_setup),
                          bpf_program__fd(skeleton->progs.ksms_exit));
}

/// A directory beside the root in which the pins are prepared before it is renamed to the root.
class Beside {
public:
    static Result<Beside> make(const PinRoot& root) {
        remove_stale(root);
        Beside beside;
        const auto path = fmt::format("{}_new_{}", root.path, getpid());
        if (mkdir(path.c_str(), 0700) != 0) return fail_errno(errno, "make the directory " + path);
        beside.path_ = path;
        if (mkdir((path + "/links").c_str(), 0700) != 0)
            return fail_errno(errno, "make the directory " + path + "/links");
        return beside;
    }
    Beside(Beside&& other) noexcept : path_(std::exchange(other.path_, {})) {}
    Beside& operator=(Beside&&) = delete;
    ~Beside() {
        if (!path_.empty()) remove_tree(path_);
    }
    [[nodiscard]] const std::string& path() const { return path_; }

private:
    Beside() = default;
    std::string path_;
};

Status install(const PinRoot& root) {
    KSMS_TRY(const auto beside, Beside::make(root));
    // Processes may still use the maps of an installation whose pins are gone: keep its leases.
    KSMS_CHECK(adopt_orphans(root, beside.path()));
    KSMS_CHECK(install_in(beside.path(), root));
    KSMS_CHECK(open_to_group(beside.path()));
    if (rename(beside.path().c_str(), root.path.c_str()) == 0) return ensure_kept(root);
    if (errno == ENOTEMPTY || errno == EEXIST)
        return {};  // another process was faster; use its objects
    return fail_errno(errno, fmt::format("put the pins into place at {}", root.path));
}

/// @return whether the map config is pinned
Result<bool> check_abi(const PinRoot& root, std::uint64_t& installed_hash) {
    KSMS_TRY(const auto abi, installed_abi(root));
    if (!abi) return false;
    if (*abi != KSMS_ABI_VERSION) return other_version(root, *abi);
    Map<std::uint32_t, ksms_config> map;
    KSMS_CHECK(open_typed(root.path, "config", map, true));
    KSMS_TRY(const auto config, map.lookup(0));
    installed_hash = config ? config->object_hash : 0;
    return true;
}

}  // namespace

Status ensure_bpf_fs(const PinRoot& root) {
    if (!root.path.starts_with(std::string(kBpfFs) + "/")) return {};
    struct statfs filesystem{};
    if (statfs(kBpfFs, &filesystem) != 0)
        return fail_errno(errno, std::string("look at ") + kBpfFs);
    if (filesystem.f_type == BPF_FS_MAGIC) return {};
    if (mount("bpf", kBpfFs, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0711") == 0) return {};
    return fail_errno(errno, std::string("mount the BPF file system on ") + kBpfFs,
                      "mount -t bpf bpf /sys/fs/bpf (needs root), or name another --pin-root");
}

Status set_up(int program) {
    // glibc 2.36 declares pidfd_open for C only.
    const Fd self(static_cast<int>(syscall(SYS_pidfd_open, getpid(), 0)));
    if (!self) return fail_errno(errno, "open a pidfd");
    ksms_setup_call call{};
    call.pidfd = static_cast<std::uint32_t>(self.get());
    for (int attempt = 0; attempt < kSetUpAttempts; ++attempt) {
        KSMS_TRY(const auto result, call_program(program, &call, sizeof call));
        if (result == 0) return {};
        if (result != EAGAIN)
            return fail_errno(static_cast<int>(result), "tell the kernel what a pidfd is");
        pause_for(std::chrono::milliseconds(1));
    }
    return fail_errno(ENOMEM, "set up the timers that end leases");
}

Result<bool> ensure_installed(const PinRoot& root, bool may_install) {
    std::uint64_t installed_hash = 0;
    bool hook_was_missing = false;
    KSMS_CHECK(check_root(root));
    KSMS_TRY(bool there, check_abi(root, installed_hash));
    if (!there) {
        if (!may_install)
            return fail(Code::not_found, "nothing is installed under " + root.path,
                        "any scan installs it");
        KSMS_CHECK(ensure_bpf_fs(root));
        KSMS_TRY(there, check_abi(root, installed_hash));  // the mount may have made it visible
        if (!there) {
            KSMS_CHECK(install(root));
            KSMS_CHECK(check_root(root));
            hook_was_missing = true;
            KSMS_TRY(there, check_abi(root, installed_hash));
        }
        if (!there)
            return fail(Code::failed, root.path + " lacks pins: somebody removed them",
                        "`ksmsctl registry check --repair` finds what they named");
    }
    if (!may_install) return false;
    if (installed_hash != object_hash()) {
        KSMS_CHECK(replace_programs(root, Replace::if_other));
        hook_was_missing = true;
    }
    KSMS_TRY(const bool missing, ensure_exit_hook(root));
    KSMS_CHECK(ensure_kept(root));
    return hook_was_missing || missing;
}

Status ensure_kept(const PinRoot& root) {
    const auto program = open_pin(root.path + "/" + name_of(Program::keep));
    if (!program) return {};  // `registry check` names the missing pin
    KSMS_TRY(const auto id, program_id(program->get()));
    // Do nothing if the keeper cannot be examined. If the kernel refuses it, only the pins hold the
    // maps; `ksmsctl doctor` reports that.
    const auto missing = [&] {
        const auto kept = kept_program(root);
        return kept && *kept != id;
    };
    if (keeper_path(root).empty() || !missing()) return {};
    KSMS_TRY(const auto lock, lock_root(root));
    if (missing()) (void)keep(root, program->get());
    return {};
}

Result<bool> ensure_exit_hook(const PinRoot& root) {
    const auto path = root.path + "/" + kExitHook;
    if (access(path.c_str(), F_OK) == 0) return false;
    KSMS_TRY(const auto lock, lock_root(root));
    if (access(path.c_str(), F_OK) == 0) return false;  // another process did it
    KSMS_TRY(const auto setup, open_pin(root.path + "/" + name_of(Program::setup)));
    KSMS_TRY(const auto exit, open_pin(root.path + "/" + name_of(Program::exit)));
    KSMS_CHECK(start_registry(root.path, setup.get(), exit.get()));
    return true;
}

Status reinstall_programs(const PinRoot& root) {
    return replace_programs(root, Replace::always);
}

Status uninstall(const PinRoot& root) {
    KSMS_TRY(const auto objects, Objects::open(root, Objects::Missing::fail));
    if (objects.config.values()[0].active_scans != 0)
        return fail(Code::failed, "a scan uses the maps under " + root.path);
    bool standing = false;
    std::uint32_t keeper = 0;
    KSMS_CHECK(objects.taps.for_each([&](const std::uint32_t&, const ksms_tap& tap) {
        standing |= tap.owner_pid == 0;
        if (tap.dscp != KSMS_EVERY_SCAN) return;
        const auto held = link_exists(tap.link);
        if (!held || *held) keeper = tap.owner_pid;
    }));
    if (keeper != 0)
        return fail(
            Code::failed,
            fmt::format("the process {} keeps taps that use the maps under {}", keeper, root.path),
            "end it first");
    if (standing)
        return fail(Code::failed, "taps stand that use the maps under " + root.path,
                    "`ksmsctl tap detach` them first");
    return remove_installed(root, [](const PinRoot&) { return Status{}; });
}

}  // namespace ksms
