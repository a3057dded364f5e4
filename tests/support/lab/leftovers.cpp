// SPDX-License-Identifier: BSD-2-Clause
#include "lab/leftovers.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>

namespace ksms::lab {
namespace {

using nlohmann::json;

std::string out(const std::vector<std::string>& arguments, const std::string& netns = "",
                const std::string& input = "") {
    return run({.arguments = arguments, .netns = netns, .input = input}).out;
}

json out_json(const std::vector<std::string>& arguments, const std::string& netns = "") {
    return json::parse(out(arguments, netns), nullptr, false);
}

/// Temporary entries of ours by their lladdr, and every permanent one.
std::string neighbours(const std::string& netns) {
    std::string found;
    for (const auto& entry : out_json({"ip", "-j", "neigh", "show", "nud", "all"}, netns)) {
        const auto mac = entry.value("lladdr", "");
        const auto state = entry.value("state", json::array()).dump();
        const auto to = entry.value("dst", "");
        const bool multicast = state.find("NOARP") != std::string::npos;
        if (!multicast &&
            (mac.starts_with("02:6b:73:6d") || state.find("PERMANENT") != std::string::npos))
            found += fmt::format("{} {} {}\n", to, mac, state);
    }
    return found;
}

void look_at_hooks(const std::string& netns, State& state) {
    std::string commands, xdp;
    for (const auto& link : out_json({"ip", "-j", "-d", "link", "show"}, netns)) {
        const auto name = link.value("ifname", "");
        commands += fmt::format("filter show dev {0} ingress\nfilter show dev {0} egress\n", name);
        if (link.contains("xdp") && link["xdp"].value("mode", 0) != 0) xdp += name + '\n';
    }
    // The noqueue of a veth goes with its peer, whoever removed that.
    static const std::regex defaults(R"(qdisc noqueue[^\n]*\n)");
    state[netns + " qdiscs"] =
        std::regex_replace(out({"tc", "qdisc", "show"}, netns), defaults, "");
    state[netns + " filters"] = out({"tc", "-force", "-batch", "-"}, netns, commands);
    state[netns + " xdp"] = xdp;
    state[netns + " neighbours"] = neighbours(netns);
}

/// Links whose program is one of those pinned under the lab's root, without the registry's own, on
/// the end of processes.
std::string bpf_links(const Lab& lab) {
    std::set<long> programs;
    for (const auto& program : out_json({"bpftool", "-f", "-j", "prog", "show"}))
        for (const auto& pin : program.value("pinned", json::array()))
            if (pin.get<std::string>().starts_with(lab.pin_root()) &&
                !pin.get<std::string>().ends_with("/ksms_exit"))
                programs.insert(program["id"].get<long>());
    std::string found;
    for (const auto& link : out_json({"bpftool", "-j", "link", "show"}))
        if (programs.contains(link.value("prog_id", 0L)))
            found += fmt::format("link {} of program {}\n", link.value("id", 0L),
                                 link.value("prog_id", 0L));
    return found;
}

std::string files(const std::string& directory) {
    std::set<std::string> names;
    std::error_code ignored;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(directory, ignored))
        names.insert(entry.path().string());
    return fmt::format("{}\n", fmt::join(names, "\n"));
}

/// An empty array where there is no such map (yet).
json entries_of(const Lab& lab, const std::string& name) {
    auto entries = json::parse(dump_map(lab, name), nullptr, false);
    return entries.is_array() ? entries : json::array();
}

void look_at_maps(const Lab& lab, State& state) {
    for (const char* name : {"services", "service_numbers", "scan_routers", "counters",
                             "translations", "drops", "taps", "tap_ids", "journal"}) {
        const auto entries = entries_of(lab, name);
        state[fmt::format("entries of {}", name)] = std::to_string(entries.size());
    }
    std::string held;
    for (const auto& lease : entries_of(lab, "leases")) {
        const auto& value = lease["formatted"]["value"];
        if ((value["state"].get<std::uint64_t>() & 255U) != 0)
            held += fmt::format("dscp {} ", lease["formatted"]["key"].dump());
    }
    state["leases held"] = held;
    state["active scans"] = active_scans(lab);
    for (const char* name : {"dense_services", "dense_counters", "dense_drops"}) {
        std::size_t count = 0;
        for (const auto& entry : entries_of(lab, name))
            count += entry.value("value", json()).dump().find("error") == std::string::npos ? 1 : 0;
        state[fmt::format("maps in {}", name)] = std::to_string(count);
    }
}

std::string without_counters(const std::string& rules) {
    static const std::regex noise(R"(\[[0-9]+:[0-9]+\]|#[^\n]*\n)");
    return std::regex_replace(rules, noise, "");
}

}  // namespace

std::string active_scans(const Lab& lab) {
    std::string active;
    for (const auto& slot : entries_of(lab, "scans"))
        if (slot["formatted"]["value"]["active"] != 0)
            active += fmt::format("dscp {} ", slot["formatted"]["key"].dump());
    return active;
}

long probes_seen(const Lab& lab) {
    long most = 0;
    for (const auto& tap : entries_of(lab, "taps"))
        most = std::max(most, tap["formatted"]["value"]["own"].get<long>());
    return most;
}

std::string dump_map(const Lab& lab, const std::string& name) {
    return out({"bpftool", "-j", "map", "dump", "pinned", lab.pin_root() + "/" + name});
}

State quick_state(const Lab& lab) {
    State state;
    for (const auto& node : lab.nodes()) look_at_hooks(lab.netns(node), state);
    state["BPF links"] = bpf_links(lab);
    state["pins"] = files(lab.pin_root());
    state["files"] = files(lab.directory());
    look_at_maps(lab, state);
    return state;
}

State full_state(const Lab& lab) {
    auto state = quick_state(lab);
    for (const auto& node : lab.nodes()) {
        const auto netns = lab.netns(node);
        for (const char* family : {"-4", "-6"}) {
            for (const char* what : {"route show table all", "rule show", "addr show"}) {
                const auto shown = out({"ip", "-force", family, "-batch", "-"}, netns, what);
                static const std::regex ages(R"(expires [0-9]+sec|valid_lft [^\n]*)");
                state[fmt::format("{} {} {}", netns, family, what)] =
                    std::regex_replace(shown, ages, "");
            }
        }
        for (const char* program : {"iptables-nft-save", "iptables-legacy-save",
                                    "ip6tables-nft-save", "ip6tables-legacy-save"})
            state[fmt::format("{} {}", netns, program)] = without_counters(out({program}, netns));
        state[netns + " nft"] = out({"nft", "-s", "list", "ruleset"}, netns);
        state[netns + " links"] = out({"ip", "link", "show"}, netns);
    }
    return state;
}

std::string difference(const State& before, const State& after) {
    std::string result;
    const auto tell = [&](const std::string& what, const std::string& was, const std::string& is) {
        if (was != is) result += fmt::format("{}:\n  was {}\n  is  {}\n", what, was, is);
    };
    for (const auto& [what, is] : after) {
        const auto was = before.find(what);
        tell(what, was == before.end() ? "(nothing)" : was->second, is);
    }
    for (const auto& [what, was] : before)
        if (!after.contains(what)) tell(what, was, "(nothing)");
    return result;
}

std::string left_after(const Lab& lab, const State& before) {
    std::string left;
    eventually([&] {
        left = difference(before, quick_state(lab));
        return left.empty();
    });
    return left;
}

}  // namespace ksms::lab
