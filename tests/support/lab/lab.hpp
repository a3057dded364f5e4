// SPDX-License-Identifier: BSD-2-Clause
// A network of namespaces for one test: hosts, routers with real firewalls, veth links, IPv4 and
// IPv6 side by side. All of it is gone when the Lab is, and when the test dies, however it dies.
#pragma once

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.hpp"
#include "lab/process.hpp"

namespace ksms::lab {

enum class Firewall { iptables_nft, iptables_legacy };

/// One end of a link.
struct End {
    std::string node;       ///< short name: "r1"
    std::string interface;  ///< "eth0"
    int host;               ///< 1 to 6: its address on the link
};

/// A process that outlives this one by the moment it takes to clean up: SIGKILL, a timeout of the
/// test runner and a normal end are one case.
class Janitor {
public:
    /// @param clean  runs when this is destroyed, or its process has ended
    explicit Janitor(const std::function<void()>& clean);
    Janitor(const Janitor&) = delete;
    Janitor& operator=(const Janitor&) = delete;
    /// Waits for it.
    ~Janitor();

private:
    Fd here_;  ///< closed when we are gone
    pid_t pid_{-1};
};

/// How long the pins of a lab stay. To load all programs takes as long as a scan or two.
enum class Pins {
    with_lab,      ///< each lab begins without any
    with_process,  ///< those of its process begin with what the ones before them installed
};

class Lab {
public:
    /// Removes the labs of dead processes first.
    explicit Lab(Pins pins = Pins::with_lab);
    Lab(const Lab&) = delete;
    Lab& operator=(const Lab&) = delete;
    ~Lab();

    /// The namespace's name for `ip netns`: "ksmstPID_r1".
    [[nodiscard]] std::string netns(const std::string& node) const { return prefix_ + node; }
    /// A directory on the BPF file system for the labs of this process alone.
    [[nodiscard]] const std::string& pin_root() const { return pin_root_; }
    /// A directory for this lab alone (removed with it).
    [[nodiscard]] const std::string& directory() const { return directory_; }
    [[nodiscard]] const std::vector<std::string>& nodes() const { return nodes_; }

    void host(const std::string& node);
    void router(const std::string& node);
    /// A router in the namespace of a process: its name in /run/netns leads there.
    void adopt_router(const std::string& node, pid_t pid);
    void remove(const std::string& node);

    /// A veth pair with addresses of both families on both ends.
    /// @param link  0 to 31: IPv4 100.64.x.(8 * link + host)/29, IPv6 fd6b:…:link::host/64; x from
    ///              the PID, so that labs side by side own different addresses
    void link(const End& a, const End& b, int link);
    /// A veth pair from a node into a bridge of another one, which gets no address.
    void plug(const End& end, const std::string& bridge_node, const std::string& bridge, int link);
    /// Every address of this lab; `family` is 4 or 6.
    [[nodiscard]] std::string address(int family, int link, int host) const;
    [[nodiscard]] std::string subnet(int family, int link) const;
    /// Both families: "default via (link, host)", or to a link's subnet.
    void default_route(const std::string& node, int link, int host);
    void route(const std::string& node, int to_link, int link, int host);

    /// Lines for `ip -batch` inside the node.
    void ip(const std::string& node, const std::vector<std::string>& lines) const;
    /// `ip -6 -batch`.
    void ip6(const std::string& node, const std::vector<std::string>& lines) const;
    /// A table for iptables-restore, both families unless one is named (4 or 6); other tables
    /// stay.
    void rules(const std::string& node, Firewall firewall, const std::string& table,
               int family = 0) const;
    /// Input of `nft -f`.
    void nft(const std::string& node, const std::string& ruleset) const;
    void sysctl(const std::string& node, const std::string& path, const std::string& value) const;
    /// All that was done so far as commands for a shell, with "lab_" before the nodes' names: sets
    /// the network up again.
    [[nodiscard]] std::string script() const;
    /// Any command inside the node that must succeed; its standard output. Not in script().
    std::string in(const std::string& node, const std::vector<std::string>& arguments) const;

private:
    void add(const std::string& node, const std::string& how);
    void make_router(const std::string& node) const;
    void batch(const std::string& netns, const std::vector<std::string>& lines,
               bool six = false) const;
    void feed(const std::string& netns, const std::vector<std::string>& arguments,
              const std::string& input) const;
    void up(const End& end) const;
    void give_addresses(const End& end, int link) const;

    std::string prefix_, pin_root_, directory_;
    std::vector<std::string> nodes_;
    mutable std::string script_;
    unsigned number_;  ///< of the lab: 14 bits of the PID
    std::optional<Janitor> janitor_;
};

}  // namespace ksms::lab
