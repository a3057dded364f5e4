// SPDX-License-Identifier: BSD-2-Clause
// Command line options: parsing and error messages.
#include "request/options.hpp"

#include <catch2/catch.hpp>

#include "request/scan_request.hpp"

using namespace ksms;
using namespace std::chrono_literals;

namespace {

using Line = std::vector<std::string>;

Arguments parsed(const Line& line) {
    auto arguments = parse_arguments(options_of(in_scan), line);
    INFO((arguments ? "" : arguments.error().message));
    REQUIRE(arguments);
    return *arguments;
}

Error error_of(const Line& line) {
    const auto arguments = parse_arguments(options_of(in_scan), line);
    REQUIRE_FALSE(arguments);
    CHECK(arguments.error().code == Code::usage);
    return arguments.error();
}

}  // namespace

TEST_CASE("options: long and short, with joined and separate values") {
    const auto arguments =
        parsed({"-s", "10.0.0.1", "--destination=10.0.0.2", "-P22", "--rate", "5", "-vvj",
                "--router", "a", "--router", "b", "word", "--verbose", "--", "-x", "--json"});
    CHECK(arguments.text("source") == "10.0.0.1");
    CHECK(arguments.text("destination") == "10.0.0.2");
    CHECK(arguments.text("ports") == "22");
    CHECK(arguments.all("router") == Line{"a", "b"});
    CHECK(arguments.has("json"));
    CHECK(arguments.all("verbose").size() == 3);
    CHECK_FALSE(arguments.has("quiet"));
    CHECK(arguments.words == Line{"word"});
    CHECK(arguments.rest == Line{"-x", "--json"});
    CHECK_FALSE(arguments.text("job"));
}

TEST_CASE("options: values that look like options") {
    CHECK(parsed({"-P", "-"}).text("ports") == "-");
    CHECK(parsed({"-P", "-22"}).text("ports") == "-22");
    CHECK(parsed({"--timeout", "-1"}).text("timeout") == "-1");
    CHECK(parsed({"-P", ""}).text("ports") == "");
    CHECK(parsed({"-s", "::1"}).text("source") == "::1");
}

TEST_CASE("options: an unknown option is named with the nearest known one") {
    CHECK(error_of({"--prots", "22"}).message == "--prots: there is no such option");
    CHECK(error_of({"--prots", "22"}).hint == "did you mean --ports?");
    CHECK(error_of({"--prots=22"}).message == "--prots: there is no such option");
    CHECK(error_of({"--jsn"}).hint == "did you mean --json?");
    CHECK(error_of({"-S", "10.0.0.1"}).message == "-S: there is no such option");
    CHECK(error_of({"-S", "10.0.0.1"}).hint == "did you mean -s (--source)?");
    CHECK(error_of({"-p80"}).hint == "did you mean -P 80? (-p is --pretty)");
    CHECK(error_of({"--bananas"}).hint.empty());
}

TEST_CASE("options: unambiguous abbreviations are accepted") {
    CHECK(parsed({"--dest", "10.0.0.2"}).text("destination") == "10.0.0.2");
    CHECK(parsed({"--dest=10.0.0.2"}).text("destination") == "10.0.0.2");
    CHECK(parsed({"--tcp", "2"}).text("tcp-timeout") == "2");
    CHECK(parsed({"--js"}).has("json"));
    CHECK(parsed({"--source", "10.0.0.1"}).text("source") == "10.0.0.1");
    CHECK_FALSE(parsed({"--source", "10.0.0.1"}).has("source-netns"));
    CHECK(error_of({"--sourc", "x"}).message == "--sourc: this may be --source or --source-netns");
    CHECK(error_of({"--d=33"}).message ==
          "--d: this may be --deadline or --default-proto or --destination or --dry-run or --dscp");
    CHECK(error_of({"--dsc", "33", "--dscp", "34"}).message == "--dscp is given twice: 33 and 34");
}

TEST_CASE("options: missing value, unwanted value, repeated option") {
    CHECK(error_of({"--ports"}).message == "--ports needs a value (SPEC)");
    CHECK(error_of({"-P"}).message == "--ports needs a value (SPEC)");
    CHECK(error_of({"--ports="}).message == "--ports needs a value (SPEC)");
    CHECK(error_of({"-s", "-d", "10.0.0.1"}).message == "--source needs a value (IP)");
    CHECK(error_of({"--json=yes"}).message == "--json takes no value");
    CHECK(error_of({"--dscp", "33", "--dscp", "34"}).message == "--dscp is given twice: 33 and 34");
}

TEST_CASE("options: numbers and seconds") {
    const auto number = [](const char* value) {
        return parsed({"--retries", value}).number("retries", 0, 100);
    };
    CHECK(number("0").value() == 0);
    CHECK(number("100").value() == 100);
    for (const char* bad : {"101", "-1", "x", "1x", "1.5", "", " 1", "99999999999999999999"}) {
        const auto result = number(bad);
        REQUIRE_FALSE(result);
        CHECK(result.error().message ==
              std::string("--retries ") + bad + ": not a whole number from 0 to 100");
    }
    const auto seconds = [](const char* value) {
        return parsed({"--timeout", value}).seconds("timeout", 0.001, 86400);
    };
    CHECK(seconds("1").value() == 1s);
    CHECK(seconds("0.25").value() == 250ms);
    CHECK(seconds("1e-1").value() == 100ms);
    CHECK(seconds("1e3").value() == 1000s);
    for (const char* bad : {"0", "-1", "nan", "inf", "1e5", "1e", "1s", "0x1", "", "86401"}) {
        const auto result = seconds(bad);
        REQUIRE_FALSE(result);
        CHECK(result.error().message ==
              std::string("--timeout ") + bad + ": not seconds from 0.001 to 86400");
    }
    CHECK_FALSE(parsed({}).seconds("timeout", 0, 1).value());
}

TEST_CASE("options: global options") {
    const auto read = [](const Line& line) { return read_global_options(parsed(line)); };
    CHECK(read({"-p"})->json);
    CHECK(read({"-p"})->pretty);
    CHECK_FALSE(read({"-j"})->pretty);
    CHECK(read({"-vv"})->verbose == 2);
    CHECK(read({"--color", "always"})->color == Color::always);
    CHECK(read({"-o", "x", "--config", "y", "--pin-root", "z"})->pin_root == "z");
    CHECK(read({"--color", "blue"}).error().message == "--color blue: not auto, always or never");
    CHECK(read({"-o", ""}).error().message == "--output needs a value");
}

TEST_CASE("options: --json is recognized on an invalid command line") {
    CHECK(wants_json({"scan", "--bananas", "-j"}));
    CHECK(wants_json({"-vp"}));
    CHECK(wants_json({"--json"}));
    CHECK(wants_json({"-p80"}));
    CHECK(wants_json({"--js"}));
    CHECK(wants_json({"--pretty"}));
    CHECK_FALSE(wants_json({"--j"}));  // also --job
    CHECK_FALSE(wants_json({"scan", "-s", "x"}));
    CHECK_FALSE(wants_json({"registry", "exec", "--", "x", "-j"}));
    CHECK_FALSE(wants_json({"-oj"}));
    CHECK_FALSE(wants_json({"--jobs", "-", ""}));
}

TEST_CASE("options: help is at most 100 columns wide") {
    for (const auto& help : {options_help(options_of(in_scan)), options_help(global_options())}) {
        std::size_t width = 0;
        for (const char c : help) {
            width = c == '\n' ? 0 : width + 1;
            CHECK(width <= 100);
        }
    }
}
