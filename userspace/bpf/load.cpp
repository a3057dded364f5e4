// SPDX-License-Identifier: BSD-2-Clause
#include "bpf/load.hpp"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <ksms.hash.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <string_view>
#include <utility>
#include <vector>

#include "base/hash.hpp"
#include "bpf/attach.hpp"
#include "bpf/keeper.hpp"
#include "bpf/mend.hpp"

namespace ksms {
namespace {

/// Collects the output of libbpf for the error message of a program that the verifier rejects.
class Words {
public:
    void clear() { *this = Words(); }
    void add(std::string_view text) {
        while (!text.empty()) {
            const auto end = std::min(text.find('\n'), text.size());
            if (end > 0) add_line(text.substr(0, end));
            text.remove_prefix(std::min(end + 1, text.size()));
        }
    }
    /// "prog 'ksms_lease': BPF program load failed: …: R1 invalid mem access 'scalar'"
    [[nodiscard]] std::string text() const {
        if (program_.empty()) return last_;
        return verdict_.empty() ? program_ : fmt::format("{}: {}", program_, verdict_);
    }

private:
    void add_line(std::string_view line) {
        constexpr std::string_view prefix = "libbpf: ";
        if (line.starts_with(prefix)) line.remove_prefix(prefix.size());
        if (line.find("PROG LOAD LOG") != std::string_view::npos) {
            in_log_ = line.find("BEGIN") != std::string_view::npos;
        } else if (in_log_) {
            // The last line of the verifier before its statistics.
            if (!line.starts_with("processed ") && !line.starts_with("arg#")) verdict_ = line;
        } else {
            if (program_.empty() && line.starts_with("prog '")) program_ = line;
            last_ = line;
        }
    }
    bool in_log_{false};
    std::string program_, verdict_, last_;
};
thread_local Words words;

int keep_words(libbpf_print_level level, const char* format, va_list arguments) {
    if (level == LIBBPF_DEBUG) return 0;
    // A verifier log comes as one text of many lines; the last ones matter.
    va_list again;
    va_copy(again, arguments);
    const int length = vsnprintf(nullptr, 0, format, again);
    va_end(again);
    if (length <= 0) return length;
    std::string text(static_cast<std::size_t>(length) + 1, '\0');
    vsnprintf(text.data(), text.size(), format, arguments);
    text.pop_back();
    words.add(text);
    return length;
}

// linux/bpf.h of Linux 6.4. libbpf 1.1 does not know the section name.
constexpr std::uint32_t kNetfilterProgram = 32;
constexpr auto kNetfilterHook = static_cast<bpf_attach_type>(45);

/// Enables the netfilter programs, which are disabled by default (SEC("?…")) for older kernels and
/// other users of the object.
void choose_netfilter(const ksms_bpf& skeleton) {
    for (auto* program : {skeleton.progs.ksms_nf_ingress, skeleton.progs.ksms_nf_egress,
                          skeleton.progs.ksms_nf_local_in, skeleton.progs.ksms_nf_post_routing}) {
        bpf_program__set_type(program, static_cast<bpf_prog_type>(kNetfilterProgram));
        bpf_program__set_expected_attach_type(program, kNetfilterHook);
        bpf_program__set_autoload(program, true);
    }
}

/// Disables the programs that this kernel cannot run. All others must load.
void choose_programs(ksms_bpf& skeleton) {
    const auto features = probe_kernel();
    if (!features.kern_ctx) {
        bpf_program__set_autoload(skeleton.progs.ksms_tcx_ingress, false);
        bpf_program__set_autoload(skeleton.progs.ksms_tcx_egress, false);
        bpf_program__set_autoload(skeleton.progs.ksms_xdp_ingress, false);
    }
    if (features.netfilter_link) choose_netfilter(skeleton);
    if (!features.drop_reasons)
        for (auto* program :
             {skeleton.progs.ksms_drop, skeleton.progs.ksms_trail_in, skeleton.progs.ksms_trail_out,
              skeleton.progs.ksms_trail_consumed, skeleton.progs.ksms_trail_dropped})
            bpf_program__set_autoload(program, false);
}

}  // namespace

std::uint64_t object_hash() {
    return ksms_object_hash;
}

Result<Skeleton> load_object(const std::string& maps) {
    libbpf_set_print(keep_words);
    words.clear();
    Skeleton skeleton(ksms_bpf::open());
    if (!skeleton) return fail_errno(errno, "open the BPF object");
    choose_programs(*skeleton);
    std::vector<Fd> reused;
    bpf_map* map = nullptr;
    bpf_object__for_each_map(map, skeleton->obj) {
        const std::string_view name = bpf_map__name(map);
        if (name.find('.') != std::string_view::npos) continue;
        auto fd = open_pin(maps + "/" + std::string(name));
        if (!fd && fd.error().code == Code::not_found) continue;
        if (!fd) return std::unexpected(std::move(fd).error());
        if (bpf_map__reuse_fd(map, fd->get()) != 0)
            return fail_errno(errno, fmt::format("use the map {}", name));
        reused.push_back(std::move(*fd));
    }
    if (ksms_bpf::load(skeleton.get()) != 0) {
        const int err = errno;
        return fail_errno(err, fmt::format("load the BPF programs ({})", words.text()),
                          "`ksmsctl doctor` says what this kernel lacks");
    }
    std::vector<int> kept;
    for (const char* name : kRegistryMaps)
        kept.push_back(bpf_object__find_map_fd_by_name(skeleton->obj, name));
    KSMS_CHECK(bind_maps(bpf_program__fd(skeleton->progs.ksms_keep), kept));
    return skeleton;
}

}  // namespace ksms
