// SPDX-License-Identifier: BSD-2-Clause
#include "scan/borrow.hpp"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>

#include "os/netns.hpp"

namespace ksms {
namespace {

/// A name of the abstract kind (unix(7)) in the machine's own namespace: one holder, and gone with
/// it however it dies.
Result<Fd> occupy(const Objects& objects, const ksms_lease& lease) {
    const auto name =
        fmt::format("ksms:{}:{}:{}", objects.root().path, lease.dscp, lease.state >> 8);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const auto length = std::min(name.size(), sizeof address.sun_path - 1);
    // The end tells leases apart; a long path may lose its beginning.
    name.copy(address.sun_path + 1, length, name.size() - length);
    KSMS_TRY(const auto host, Netns::open("host"));
    KSMS_TRY(auto socket, socket_in(host, AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + length);
    if (bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), size) == 0) return socket;
    if (errno != EADDRINUSE) return fail_errno(errno, "occupy a lease");
    return fail(Code::no_dscp, fmt::format("a scan runs under the job {} already", lease.job),
                "one scan at a time uses a lease; wait for it, or leave --job out");
}

}  // namespace

Result<BorrowedLease> borrow_lease(const Objects& objects, const Registry& registry,
                                   const std::string& job) {
    KSMS_TRY(const auto record, registry.find_job(job));
    if (record.uid != getuid())
        return fail(Code::no_dscp,
                    fmt::format("the job {} holds DSCP {}, and is of user {}", job, record.dscp,
                                record.user),
                    "choose another --job");
    BorrowedLease borrowed;
    KSMS_TRY(borrowed.occupied, occupy(objects, record));
    borrowed.lease = {static_cast<std::uint8_t>(record.dscp), record.state >> 8, record, true};
    return borrowed;
}

}  // namespace ksms
