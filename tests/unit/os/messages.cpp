// SPDX-License-Identifier: BSD-2-Clause
// Truncated netlink messages, wrong lengths, and unexpected replies. Each message ends at an
// inaccessible page.
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/mman.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cerrno>
#include <cstring>
#include <random>

#include "os/exchange.hpp"
#include "os/message.hpp"
#include "os/netlink.hpp"
#include "os/parse.hpp"

using namespace ksms;

namespace {

/// Memory whose last byte is followed by an inaccessible page.
class Edge {
public:
    Edge() : page_(static_cast<std::size_t>(::sysconf(_SC_PAGESIZE))) {
        void* both =
            ::mmap(nullptr, 2 * page_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        REQUIRE(both != MAP_FAILED);
        begin_ = static_cast<char*>(both);
        REQUIRE(::mprotect(begin_ + page_, page_, PROT_NONE) == 0);
    }
    Edge(const Edge&) = delete;
    Edge& operator=(const Edge&) = delete;
    ~Edge() { ::munmap(begin_, 2 * page_); }
    /// @param bytes  a multiple of four, as netlink aligns
    std::span<const char> put(std::span<const char> bytes) {
        auto* at = begin_ + page_ - bytes.size();
        std::ranges::copy(bytes, at);
        return {at, bytes.size()};
    }

private:
    std::size_t page_;
    char* begin_;
};

nlmsghdr* header_of(std::vector<char>& bytes) {
    return reinterpret_cast<nlmsghdr*>(bytes.data());
}

/// An acknowledgement with an extended ACK message.
std::vector<char> error_message(int error, std::uint32_t told_length, const std::string& text) {
    std::vector<char> bytes(NLMSG_LENGTH(sizeof(nlmsgerr)) + NLA_HDRLEN +
                            NLA_ALIGN(text.size() + 1));
    *header_of(bytes) = {static_cast<std::uint32_t>(bytes.size()), NLMSG_ERROR, NLM_F_ACK_TLVS, 7,
                         0};
    const nlmsgerr body{error, {told_length, 0, 0, 0, 0}};
    std::memcpy(bytes.data() + NLMSG_HDRLEN, &body, sizeof body);
    const nlattr attribute{static_cast<std::uint16_t>(NLA_HDRLEN + text.size() + 1),
                           NLMSGERR_ATTR_MSG};
    const auto at = NLMSG_LENGTH(sizeof(nlmsgerr));
    std::memcpy(bytes.data() + at, &attribute, sizeof attribute);
    std::memcpy(bytes.data() + at + NLA_HDRLEN, text.c_str(), text.size() + 1);
    return bytes;
}

struct Seen {
    std::vector<std::size_t> which;
    Exchange exchange;
    Seen(std::uint32_t first, std::size_t count, Exchange::Ends ends)
        : exchange(first, count, ends, [this](std::size_t number, const nlmsghdr* message) {
              which.push_back(number);
              const int err = error_of(message);
              return err == 0 ? Status{} : fail_errno(err, error_text(message));
          }) {}
};

std::vector<char> plain(std::uint16_t type, std::uint16_t flags, std::uint32_t sequence) {
    std::vector<char> bytes(NLMSG_HDRLEN);
    *header_of(bytes) = {NLMSG_HDRLEN, type, flags, sequence, 0};
    return bytes;
}

}  // namespace

TEST_CASE("messages: the extended ACK is found for any claimed request length") {
    Edge edge;
    const auto text_of = [&](std::uint32_t told) {
        const auto bytes = edge.put(error_message(-ENOENT, told, "no such thing"));
        const auto* message = reinterpret_cast<const nlmsghdr*>(bytes.data());
        CHECK(error_of(message) == ENOENT);
        return error_text(message);
    };
    CHECK(text_of(NLMSG_HDRLEN) == "no such thing");
    for (const std::uint32_t told : {0u, 15u, 17u, 4096u, 0x7fffffffu, 0xffffffffu})
        CHECK(text_of(told) != "no such thing");
    auto cut = error_message(-ENOENT, NLMSG_HDRLEN, "x");
    cut.resize(NLMSG_HDRLEN + 4);
    header_of(cut)->nlmsg_len = NLMSG_HDRLEN + 4;
    const auto bytes = edge.put(cut);
    CHECK(error_of(reinterpret_cast<const nlmsghdr*>(bytes.data())) == EBADMSG);
}

TEST_CASE("messages: replies are matched by sequence number, also at wrap-around") {
    Seen seen(0xffffffff, 3, Exchange::Ends::reply);
    for (const std::uint32_t sequence : {5u, 0xfffffffeu, 0xffffffffu, 0u, 2u})
        REQUIRE(seen.exchange.take(plain(RTM_NEWLINK, 0, sequence)));
    CHECK(seen.which == std::vector<std::size_t>{0, 1});
    CHECK_FALSE(seen.exchange.over());
    REQUIRE(seen.exchange.take(plain(RTM_NEWLINK, 0, 1)));
    CHECK(seen.exchange.over());
}

TEST_CASE("messages: a dump ends with NLMSG_DONE, and NLM_F_DUMP_INTR is reported") {
    Seen seen(7, 1, Exchange::Ends::acknowledgement);
    REQUIRE(seen.exchange.take(plain(RTM_NEWLINK, NLM_F_MULTI, 7)));
    CHECK_FALSE(seen.exchange.interrupted());
    REQUIRE(seen.exchange.take(plain(RTM_NEWLINK, NLM_F_MULTI | NLM_F_DUMP_INTR, 7)));
    CHECK_FALSE(seen.exchange.over());
    REQUIRE(seen.exchange.take(plain(NLMSG_DONE, NLM_F_MULTI, 7)));
    CHECK(seen.exchange.over());
    CHECK(seen.exchange.interrupted());
    // NLMSG_DONE of another request is ignored.
    Seen other(7, 1, Exchange::Ends::acknowledgement);
    REQUIRE(other.exchange.take(plain(NLMSG_DONE, NLM_F_DUMP_INTR, 8)));
    CHECK_FALSE(other.exchange.over());
    CHECK_FALSE(other.exchange.interrupted());
}

TEST_CASE("messages: an error inside a dump is an error") {
    std::vector<char> bytes(NLMSG_LENGTH(sizeof(int)));
    *header_of(bytes) = {static_cast<std::uint32_t>(bytes.size()), NLMSG_DONE, NLM_F_MULTI, 7, 0};
    const int error = -ENOENT;
    std::memcpy(bytes.data() + NLMSG_HDRLEN, &error, sizeof error);
    Seen seen(7, 1, Exchange::Ends::acknowledgement);
    const auto taken = seen.exchange.take(bytes);
    REQUIRE_FALSE(taken);
    CHECK(taken.error().err == ENOENT);
}

TEST_CASE("messages: random bytes cause no read out of bounds") {
    Edge edge;
    std::mt19937 random(20261128);
    for (int round = 0; round < 200'000; ++round) {
        std::vector<char> bytes(4 * (1 + random() % 40));
        for (auto& byte : bytes) byte = static_cast<char>(random() % 4 == 0 ? random() : 0);
        if (bytes.size() >= NLMSG_HDRLEN) {
            auto* header = header_of(bytes);
            header->nlmsg_len = random() % 8 == 0 ? static_cast<std::uint32_t>(random())
                                                  : static_cast<std::uint32_t>(bytes.size());
            static constexpr std::uint16_t types[] = {NLMSG_ERROR, NLMSG_DONE, RTM_NEWNEIGH,
                                                      RTM_DELNEIGH};
            header->nlmsg_type = types[random() % 4];
            header->nlmsg_flags = static_cast<std::uint16_t>(random() % 2 * NLM_F_ACK_TLVS);
            header->nlmsg_seq = 7;
        }
        const auto datagram = edge.put(bytes);
        Exchange exchange(7, 1, Exchange::Ends::reply, [](std::size_t, const nlmsghdr* message) {
            [[maybe_unused]] const int err = error_of(message);
            [[maybe_unused]] const auto text = error_text(message);
            [[maybe_unused]] const auto neighbour = parse_neighbour(message);
            const Attributes attributes(message, sizeof(ndmsg), NDA_MAX);
            for (std::uint16_t type = 0; type <= NDA_MAX; ++type) {
                [[maybe_unused]] const auto number = attributes.u32(type) + attributes.be64(type);
                [[maybe_unused]] const auto word = attributes.text(type);
                [[maybe_unused]] const Attributes nested(attributes[type], 16);
                for_each_attribute(attributes[type], [](const nlattr* each) {
                    [[maybe_unused]] const Attributes deeper(each, 16);
                });
            }
            return Status{};
        });
        REQUIRE(exchange.take(datagram));
    }
}

TEST_CASE("messages: bytes after an unaligned end are ignored") {
    Message message(RTM_NEWLINK, 0);
    message.put_u32(1, 7);
    CHECK(Attributes(message.header(), 0, 1).u32(1) == 7);
    --message.header()->nlmsg_len;
    CHECK(Attributes(message.header(), 0, 1)[1] == nullptr);
    // The fixed header is padded before the attributes.
    message.header()->nlmsg_len = NLMSG_LENGTH(1);
    CHECK(Attributes(message.header(), sizeof(rtgenmsg), 1)[1] == nullptr);
}

TEST_CASE("messages: an interface without statistics") {
    Message message(RTM_NEWLINK, 0);
    message.fixed<ifinfomsg>().ifi_index = 3;
    message.put_text(IFLA_IFNAME, "eth0");
    const auto link = parse_link(message.header());
    REQUIRE(link);
    CHECK(link->ifindex == 3);
    CHECK(link->name == "eth0");
    CHECK(link->sent_packets == 0);
}

TEST_CASE("messages: a request that does not fit is not sent truncated") {
    Message message(RTM_NEWLINK, 0);
    message.put_text(1, std::string(500, 'a'));
    CHECK(message.whole());
    message.nest(2, [&] { message.put_text(1, std::string(600, 'a')); });
    CHECK_FALSE(message.whole());
    CHECK(message.bytes().size() <= 1024);
    Batch batch;
    batch.add(message);
    CHECK_FALSE(batch.whole());
}
