// SPDX-License-Identifier: BSD-2-Clause
#include "lab/tracked.hpp"

#include <arpa/inet.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <vector>

#include "base/fd.hpp"
#include "lab/process.hpp"
#include "lab/wait.hpp"

namespace ksms::lab {
namespace {

constexpr const char* kCount = "/proc/sys/net/netfilter/nf_conntrack_count";

std::size_t number_in(const char* path) {
    std::size_t number = 0;
    std::ifstream(path) >> number;
    return number;
}

/// A netlink message in a row of bytes.
class Bytes {
public:
    template <typename T>
    void add(const T& value) {
        const auto* at = reinterpret_cast<const char*>(&value);
        bytes.insert(bytes.end(), at, at + sizeof value);
        bytes.resize((bytes.size() + 3) & ~std::size_t{3});
    }
    template <typename T>
    void attribute(int type, const T& value) {
        add(nlattr{static_cast<std::uint16_t>(sizeof(nlattr) + sizeof value),
                   static_cast<std::uint16_t>(type)});
        add(value);
    }
    std::size_t begin(int type) {
        add(nlattr{0, static_cast<std::uint16_t>(type | NLA_F_NESTED)});
        return bytes.size() - sizeof(nlattr);
    }
    void end(std::size_t at) {
        const auto length = static_cast<std::uint16_t>(bytes.size() - at);
        std::memcpy(bytes.data() + at, &length, sizeof length);
    }
    std::vector<char> bytes;
};

void add_tuple(Bytes& to, int type, std::uint32_t source, std::uint32_t destination) {
    const auto tuple = to.begin(type);
    const auto ip = to.begin(CTA_TUPLE_IP);
    to.attribute(CTA_IP_V4_SRC, htonl(source));
    to.attribute(CTA_IP_V4_DST, htonl(destination));
    to.end(ip);
    const auto protocol = to.begin(CTA_TUPLE_PROTO);
    to.attribute(CTA_PROTO_NUM, std::uint8_t{IPPROTO_UDP});
    to.attribute(CTA_PROTO_SRC_PORT, htons(1000));
    to.attribute(CTA_PROTO_DST_PORT, htons(1000));
    to.end(protocol);
    to.end(tuple);
}

void add_entry(Bytes& to, std::uint32_t number) {
    constexpr std::uint32_t kSource = 0xc6120000, kDestination = 0xcb007101;  // 198.18/15, TEST-NET
    const auto start = to.bytes.size();
    to.add(nlmsghdr{0, NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW,
                    NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL, 0, 0});
    to.add(nfgenmsg{AF_INET, NFNETLINK_V0, 0});
    add_tuple(to, CTA_TUPLE_ORIG, kSource + number, kDestination + number / 100'000);
    add_tuple(to, CTA_TUPLE_REPLY, kDestination + number / 100'000, kSource + number);
    to.attribute(CTA_TIMEOUT, htonl(600));
    to.attribute(CTA_STATUS, htonl(IPS_SEEN_REPLY | IPS_ASSURED | IPS_CONFIRMED));
    const auto length = static_cast<std::uint32_t>(to.bytes.size() - start);
    std::memcpy(to.bytes.data() + start, &length, sizeof length);
}

}  // namespace

std::size_t tracked(const Lab& lab, const std::string& node) {
    std::size_t count = 0;
    inside(lab.netns(node), [&count] { count = number_in(kCount); });
    return count;
}

std::size_t most_tracked() {
    return number_in("/proc/sys/net/netfilter/nf_conntrack_max");
}

std::string tracked_flows(const Lab& lab, const std::string& node) {
    std::ostringstream text;
    inside(lab.netns(node),
           [&text] { text << std::ifstream("/proc/thread-self/net/nf_conntrack").rdbuf(); });
    return text.str();
}

void fill_tracked(const Lab& lab, const std::string& node, std::size_t count) {
    inside(lab.netns(node), [count] {
        const Fd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER));
        for (std::uint32_t i = 0; i < count;) {
            Bytes batch;
            for (int n = 0; n < 128 && i < count; ++n) add_entry(batch, i++);
            if (::send(fd.get(), batch.bytes.data(), batch.bytes.size(), 0) < 0)
                throw std::runtime_error("fill the connection tracking");
        }
    });
}

TrackedWatch::TrackedWatch(const Lab& lab, const std::string& node)
    : thread_([this, netns = lab.netns(node)] {
          inside(netns, [this] {
              eventually(
                  [this] {
                      most_ = std::max(most_.load(), number_in(kCount));
                      return over_.load();
                  },
                  milliseconds{120'000});
          });
      }) {}

TrackedWatch::~TrackedWatch() {
    over_ = true;
    thread_.join();
}

}  // namespace ksms::lab
