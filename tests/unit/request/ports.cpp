// SPDX-License-Identifier: BSD-2-Clause
// The port grammar of -P.
#include "request/ports.hpp"

#include <fmt/format.h>
#include <netinet/in.h>

#include <catch2/catch.hpp>

#include <chrono>
#include "base/service_names.hpp"

using namespace ksms;

namespace {

/// "22/tcp 53/udp", "1-65535/tcp": the services of a list, adjacent ones joined.
std::string meaning(std::string_view spec, std::uint8_t protocol = IPPROTO_TCP) {
    const auto services = parse_ports(spec, protocol);
    if (!services) return "error: " + services.error().message;
    std::string text;
    for (std::size_t i = 0; i < services->size();) {
        const auto first = (*services)[i];
        std::size_t count = 1;
        while (i + count < services->size() && (*services)[i + count].protocol == first.protocol &&
               (*services)[i + count].port == first.port + count)
            ++count;
        text += fmt::format("{}{}{}/{}", text.empty() ? "" : " ", first.port,
                            count > 1 ? fmt::format("-{}", first.port + count - 1) : "",
                            protocol_name(first.protocol));
        i += count;
    }
    return text;
}

Error error_of(std::string_view spec) {
    const auto services = parse_ports(spec, IPPROTO_TCP);
    REQUIRE_FALSE(services);
    CHECK(services.error().code == Code::usage);
    CHECK_FALSE(services.error().hint.empty());
    return services.error();
}

bool says(const std::string& text, const std::string& words) {
    return text.find(words) != std::string::npos;
}

}  // namespace

TEST_CASE("ports: single ports, protocols, ranges, names") {
    CHECK(meaning("80") == "80/tcp");
    CHECK(meaning("80", IPPROTO_UDP) == "80/udp");
    CHECK(meaning("80,443/tcp,53/udp") == "80/tcp 443/tcp 53/udp");
    CHECK(meaning("53/UDP") == "53/udp");
    CHECK(meaning("22-25") == "22-25/tcp");
    CHECK(meaning("8000-8005/udp") == "8000-8005/udp");
    CHECK(meaning("7-7") == "7/tcp");
    CHECK(meaning("1,65535") == "1/tcp 65535/tcp");
    CHECK(meaning("00080") == "80/tcp");
    CHECK(meaning("telnet,ssh") == "23/tcp 22/tcp");
    CHECK(meaning("netbios-ns/udp") == "137/udp");
    CHECK(meaning("SSH") == "22/tcp");
}

TEST_CASE("ports: a service name of only one protocol selects that protocol") {
    CHECK(meaning("ntp") == "123/udp");
    CHECK(meaning("telnet", IPPROTO_UDP) == "23/tcp");
    CHECK(meaning("domain") == "53/tcp");
    CHECK(meaning("domain", IPPROTO_UDP) == "53/udp");
    CHECK(meaning("telnet/udp") == "23/udp");
    CHECK(meaning("U:telnet") == "23/udp");
}

TEST_CASE("ports: names of the predecessor that the services database lacks") {
    CHECK(meaning("dns,smb,rdp,https-alt") == "53/udp 445/tcp 3389/tcp 8443/tcp");
    CHECK(meaning("dns/tcp,U:rdp") == "53/tcp 3389/udp");
    CHECK(service_name({IPPROTO_UDP, 53}) == "domain");
}

TEST_CASE("ports: protocols other than TCP and UDP are refused as not supported yet") {
    for (const char* spec :
         {"icmp", "ICMP", "icmpv6", "gre", "sctp", "80/sctp", "sctp:80", "proto:47", "22,esp"}) {
        const auto error = error_of(spec);
        INFO(error.message);
        CHECK(says(error.message, "only TCP and UDP ports are probed"));
        CHECK(says(error.message, "not supported yet"));
        CHECK_FALSE(says(error.hint, "did you mean"));
    }
    CHECK(says(error_of("tcp").message, "name a port"));
    CHECK(error_of("udp").hint == "80/udp, or U:- for all of its ports");
}

TEST_CASE("ports: the longest range") {
    CHECK(longest_range("22,80/udp,T:443").value() == 1);
    CHECK(longest_range("1,2,3,4").value() == 1);
    CHECK(longest_range("1-3,4-9/udp").value() == 6);
    CHECK(longest_range("-").value() == 65535);
    CHECK_FALSE(longest_range("9-1"));
}

TEST_CASE("ports: a protocol prefix holds until the next, /proto overrides it") {
    CHECK(meaning("T:22,80,U:53,161") == "22/tcp 80/tcp 53/udp 161/udp");
    CHECK(meaning("U:53,9/tcp,69,T:21") == "53/udp 9/tcp 69/udp 21/tcp");
    CHECK(meaning("u:53, t: 22") == "53/udp 22/tcp");
    CHECK(meaning("U:,53") == "53/udp");
    CHECK(meaning("53,U:53") == "53/tcp 53/udp");
}

TEST_CASE("ports: - is all ports, and a range may be open") {
    CHECK(meaning("-") == "1-65535/tcp");
    CHECK(meaning("-/udp") == "1-65535/udp");
    CHECK(meaning("T:-,U:-") == "1-65535/tcp 1-65535/udp");
    CHECK(meaning("65530-") == "65530-65535/tcp");
    CHECK(meaning("-3") == "1-3/tcp");
}

TEST_CASE("ports: spaces, empty elements, duplicates, order") {
    CHECK(meaning(" 80 ,, 22 / udp ,\t443,") == "80/tcp 22/udp 443/tcp");
    CHECK(meaning("80,22,80,22-23,80/tcp") == "80/tcp 22-23/tcp");
    CHECK(meaning("443,80,22") == "443/tcp 80/tcp 22/tcp");
    CHECK(meaning("22 - 25, U: 7 -\t9, 65534 - /tcp") == "22-25/tcp 7-9/udp 65534-65535/tcp");
    CHECK(meaning(" - ") == "1-65535/tcp");
    CHECK(meaning("netbios - ns").starts_with("error: "));
    CHECK(meaning("22 25 - 30").starts_with("error: "));
    CHECK(meaning("5-7,1-9") == "5-7/tcp 1-4/tcp 8-9/tcp");
}

TEST_CASE("ports: errors quote the bad part and explain it") {
    CHECK(says(error_of("0").message, "\"0\" in the port list: port 0"));
    CHECK(says(error_of("0-5").message, "port 0"));
    CHECK(says(error_of("22,99999").message, "\"99999\""));
    CHECK(says(error_of("99999").message, "65535"));
    CHECK(says(error_of("123456789012345678901234567890").message, "above 65535"));
    CHECK(says(error_of("80-22").message, "backwards"));
    CHECK(error_of("80-22").hint == "did you mean 22-80?");
    CHECK(says(error_of("8O/tcp").message, "\"8O/tcp\""));
    CHECK(error_of("8O/tcp").hint == "did you mean 80?");
    CHECK(error_of("l0-2O").hint == "did you mean 10-20?");
    CHECK(error_of("").message == "the port list is empty");
    CHECK(error_of(" , ,").message == "the port list is empty");
    CHECK(error_of("T:").message == "the port list is empty");
    CHECK(says(error_of("telnett").message, "telnett"));
    CHECK(error_of("telnett").hint == "did you mean telnet?");
    CHECK(says(error_of("22/scpt").message, "\"scpt\" is no protocol"));
    CHECK(error_of("22/tpc").hint == "did you mean tcp?");
    CHECK(says(error_of("22/").message, "no protocol behind the slash"));
    CHECK(says(error_of("/tcp").message, "no port before the slash"));
    CHECK(says(error_of("X:22").message, "neither T: nor U:"));
    CHECK(says(error_of("1-2-3").message, "1-2-3"));
    CHECK(error_of("22 80").hint == "elements are separated by commas");
    CHECK(says(error_of("80.5").message, "80.5"));
    CHECK(says(error_of("--").message, "--"));
    CHECK(says(error_of("+80").message, "+80"));
}

TEST_CASE("ports: long and hostile lists are refused quickly with short messages") {
    const auto before = std::chrono::steady_clock::now();
    std::string many_dashes, steps;
    for (int i = 0; i < 32768; ++i) many_dashes += "-,";
    CHECK(meaning(many_dashes) == "1-65535/tcp");
    for (int i = 65535; i > 0; --i) steps += fmt::format("{},", i);
    const auto all = parse_ports(steps, IPPROTO_TCP);
    REQUIRE(all);
    CHECK(all->size() == 65535);
    CHECK(all->front().port == 65535);

    std::string junk;
    for (int i = 0; i < 65536; ++i) junk += static_cast<char>(i * 31 % 255 + 1);
    for (const auto& text :
         {junk, std::string(65536, 'a'), std::string(65536, '9'), std::string(65536, '-'),
          std::string(65536, '/'), std::string(65536, ':'), std::string(100, '\0')}) {
        const auto error = error_of(text);
        CHECK(error.message.size() < 300);
        CHECK(error.message.find('\n') == std::string::npos);
        CHECK(error.message.find('\x1b') == std::string::npos);
    }
    CHECK(error_of(std::string(65536, ',')).message == "the port list is empty");
    CHECK(std::chrono::steady_clock::now() - before < std::chrono::seconds(5));
}

TEST_CASE("ports: exclude keeps the order and may remove all") {
    const auto services = *parse_ports("25,22,53/udp,80", IPPROTO_TCP);
    const auto left = exclude(services, *parse_ports("22,53,80-90", IPPROTO_TCP));
    CHECK(left == std::vector<Service>{{IPPROTO_TCP, 25}, {IPPROTO_UDP, 53}});
    CHECK(exclude(services, *parse_ports("T:-,U:-", IPPROTO_TCP)).empty());
}

TEST_CASE("ports: names for people") {
    CHECK(service_name({IPPROTO_TCP, 22}) == "ssh");
    CHECK(service_name({IPPROTO_UDP, 514}) == "syslog");
    CHECK(service_name({IPPROTO_TCP, 65535}).empty());
}
