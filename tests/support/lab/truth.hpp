// SPDX-License-Identifier: BSD-2-Clause
// For tests of what a scan tells: what must hold before ksms is asked, and how it is asked.
#pragma once

#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "lab/ksmsctl.hpp"
#include "lab/lab.hpp"

namespace ksms::lab {

/// Ends the process unless it holds. A test that is expected to fail would take a lab that does not
/// show its case for the failure that it waits for.
void given(std::string_view what, const std::function<bool()>& holds);

/// Does this version of Linux, or a later one, run here?
[[nodiscard]] bool is_linux(int major, int minor);

/// A way to ask.
struct Asked {
    const char* name;
    std::vector<std::string> options{};
    Environment environment{};
};
/// Path mode by clsact, TCX, XDP and netfilter, as far as this kernel has them.
const std::vector<Asked>& by_every_tap();
/// The first of them.
const Asked& by_clsact();
/// All, and isolated mode.
const std::vector<Asked>& in_every_way();
const Asked& in_isolated_mode();
/// Of all ways those that are named, as far as this kernel has them; SKIP: it has none.
std::vector<Asked> only(std::initializer_list<std::string_view> names);

Scan ask(const Lab& lab, const std::string& source, const std::string& destination,
         const std::string& ports, const Asked& asked, std::vector<std::string> more = {});
/// For what nobody sees again: not to wait for long, and not to send again.
inline const std::vector<std::string> kImpatient{"--timeout", "0.2", "--retries", "0"};

struct PlainService {
    const char* protocol;
    int port;
};

/// src - r1 - r2 - dst by links 1, 2, 3, as in the chain of three; nobody has a firewall.
void build_two(Lab& lab);
inline std::string two_source(const Lab& lab, int family) {
    return lab.address(family, 1, 1);
}
inline std::string two_destination(const Lab& lab, int family) {
    return lab.address(family, 3, 2);
}
/// Comes to dst too, but dst does not own it: ksms cannot look for it there, as it cannot at a host
/// of another machine.
inline std::string unseen_destination(const Lab& lab, int family) {
    return lab.address(family, 3, 6);
}
/// Plain packets, one of each service, from src to the address. Datagrams to 33434 and 33435 must
/// pass.
/// @return which arrived at `interface` of `node`
std::vector<bool> observe(const Lab& lab, const std::string& destination,
                          const std::vector<PlainService>& services,
                          const std::string& node = "dst", const std::string& interface = "eth0");

/// Something that does its work in a thread until the end of the scope.
class Background {
public:
    /// @param work  returns when `stop` is readable
    explicit Background(std::function<void(int stop)> work);
    Background(const Background&) = delete;
    Background& operator=(const Background&) = delete;
    ~Background();

private:
    Fd stop_;
    std::thread thread_;
};

/// Sends every datagram back that comes to one of these sockets, which outlive it.
Background echo(std::vector<int> sockets);

}  // namespace ksms::lab
