// SPDX-License-Identifier: BSD-2-Clause
// Where ksmsd listens: sockets that systemd passed on, or its own.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "config/config.hpp"
#include "os/netns.hpp"

namespace ksms {

/// A Unix socket's file of ours: removed with this, if it still is ours.
class SocketFile {
public:
    SocketFile() = default;
    explicit SocketFile(std::string path);
    SocketFile(SocketFile&& other) noexcept;
    SocketFile& operator=(SocketFile&& other) noexcept;
    SocketFile(const SocketFile&) = delete;
    SocketFile& operator=(const SocketFile&) = delete;
    ~SocketFile();

private:
    std::string path_;
    unsigned long inode_{0};
};

struct Listening {
    std::vector<Fd> sockets;
    SocketFile file;
    bool activated{false};  ///< by systemd
    /// The namespace of those that were passed on, where ksmsd has one of its own
    /// (PrivateNetwork=); else null.
    std::shared_ptr<const Netns> outside;
};

/// The sockets of socket activation (sd_listen_fds(3)), else the Unix socket of the configuration,
/// mode 0660, group `ksms` where there is one, and the loopback port (of `outside`) if there is to
/// be one. A socket's file that nobody listens on any more is taken over; one that somebody listens
/// on is an error.
Result<Listening> listen_everywhere(const ServiceConfig& config);

}  // namespace ksms
