// SPDX-License-Identifier: BSD-2-Clause
// Limits that are objects of their own: their rate is read.
#include "rule_cases.hpp"

namespace {

using namespace ksms::lab;
using How = Step::How;

std::string named_limit(const std::string& objects, const std::string& rules) {
    return "table inet t {\n" + objects + "\nchain f {\ntype filter hook forward priority 0\n" +
           rules + "\n}\n}\n";
}

/// Of the three services 25/tcp is dropped by another rule, and one packet in 500 ms passes.
const std::vector<RuleCase>& named_limits() {
    const std::string lim = "limit lim {\nrate 2/second burst 1 packets\n}";
    const std::string over = "limit lim {\nrate over 2/second burst 1 packets\n}";
    static const std::vector<RuleCase> cases{
        {"by name",
         {{"r2", How::nft,
           named_limit(lim,
                       "tcp dport 25 drop\nmeta l4proto tcp limit name \"lim\" accept\n"
                       "meta l4proto tcp drop")}}},
        {"over, by name",
         {{"r2", How::nft,
           named_limit(over, "tcp dport 25 drop\nmeta l4proto tcp limit name \"lim\" drop")}}},
        {"by a map",
         {{"r2", How::nft,
           named_limit(lim + "\nlimit fast {\nrate 1000/second\n}\nmap m {\ntype inet_service : "
                             "limit\nelements = { 25 : \"fast\", 8001 : \"lim\", 8002 : \"lim\" "
                             "}\n}",
                       "tcp dport 25 drop\nlimit name tcp dport map @m accept\n"
                       "meta l4proto tcp drop")}}},
        {"a map of counters is none",
         {{"r2", How::nft,
           named_limit("counter c {\n}\nmap m {\ntype inet_service : counter\n"
                       "elements = { 25 : \"c\", 8001 : \"c\" }\n}",
                       "tcp dport 25 drop\ncounter name tcp dport map @m accept")}}},
    };
    return cases;
}

}  // namespace

TEST_CASE("limits: the rate of a named limit is read, and nothing is UNKNOWN for it") {
    const auto which = GENERATE(range(std::size_t{0}, named_limits().size()));
    for_each_case({named_limits()[which]}, "25,8001,8002", 8001, {},
                  [](const RuleCase&, const Scan& result) {
                      CHECK(result.result("tcp", 25) == "NO");
                      CHECK(result.result("tcp", 8001) == "YES");
                      CHECK(result.result("tcp", 8002) == "YES");
                      CHECK(result.field("warnings").empty());
                  });
}
