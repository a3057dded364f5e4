// SPDX-License-Identifier: BSD-2-Clause
// ksmsctl as a program, as far as it needs no root.
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "lab/process.hpp"

namespace {

using ksms::lab::Command;
using ksms::lab::Outcome;
using nlohmann::json;
namespace fs = std::filesystem;

Outcome ksmsctl(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), KSMSCTL);
    return ksms::lab::run(Command{.arguments = std::move(arguments)});
}

/// Runs a shell command line with the program as $K.
Outcome shell(const std::string& line) {
    return ksms::lab::run(
        Command{.arguments = {"bash", "-c", line}, .environment = {{"K", KSMSCTL}}});
}

class Directory {
public:
    Directory() {
        std::string name = (fs::temp_directory_path() / "ksmst-XXXXXX").string();
        REQUIRE(::mkdtemp(name.data()) != nullptr);
        path = name;
    }
    ~Directory() {
        std::error_code ignored;
        fs::remove_all(path, ignored);
    }
    [[nodiscard]] std::string operator/(const std::string& name) const {
        return (path / name).string();
    }
    [[nodiscard]] std::size_t files() const {
        return static_cast<std::size_t>(
            std::distance(fs::directory_iterator(path), fs::directory_iterator()));
    }
    fs::path path;
};

std::string content(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
}

}  // namespace

TEST_CASE("program: a usage error names the mistake and exits with 2") {
    struct Wrong {
        std::vector<std::string> arguments;
        const char* message;
        const char* hint;
    };
    const std::vector<Wrong> table{
        {{}, "there is no command", "ksmsctl help"},
        {{"scna"}, "scna: there is no such command", "did you mean scan?"},
        {{"tap"}, "tap needs a command", "ksmsctl help tap"},
        {{"tap", "lits"}, "tap lits: there is no such command", "did you mean list?"},
        {{"tap", "attach"}, "tap attach needs ROUTER…", "ksmsctl help tap attach"},
        {{"help", "scna"}, "scna: there is no such command", "did you mean scan?"},
        {{"doctor", "now"}, "unexpected argument now", ""},
        {{"gc", "--", "x"}, "gc takes nothing behind --", ""},
        {{"uninstal"}, "uninstal: there is no such command", "did you mean uninstall?"},
        {{"--colour", "never", "gc"}, "--colour: there is no such option", "did you mean --color?"},
        {{"scan", "-p", "80"}, "unexpected argument 80", "did you mean -P 80? (-p is --pretty)"},
        {{"scan", "-p80"}, "-p80: there is no such option", "did you mean -P 80?"},
        {{"scan", "--prots", "80"}, "--prots: there is no such option", "did you mean --ports?"},
        {{"--config", "/nonexistent", "gc"}, "/nonexistent: No such file or directory", ""},
    };
    for (const auto& wrong : table) {
        INFO(fmt::format("{}", fmt::join(wrong.arguments, " ")));
        const int expected =
            wrong.arguments.size() == 3 && wrong.arguments[0] == "--config" ? 1 : 2;
        const auto text = ksmsctl(wrong.arguments);
        INFO(text.err);
        CHECK(text.exit == expected);
        CHECK(text.err.find(wrong.message) != std::string::npos);
        CHECK(text.err.find(wrong.hint) != std::string::npos);
        auto with_json = wrong.arguments;
        with_json.insert(with_json.begin(), "-j");
        const auto outcome = ksmsctl(with_json);
        CHECK(outcome.exit == expected);
        const auto document = json::parse(outcome.out, nullptr, false);
        REQUIRE(document.is_object());
        CHECK(document["schema"] == "ksms.error/1");
        const auto message = document["error"]["message"].get<std::string>();
        CHECK(message.find(wrong.message) != std::string::npos);
    }
}

TEST_CASE("program: help and version") {
    const auto help = ksmsctl({"help"});
    CHECK(help.exit == 0);
    for (const char* command : {"scan", "registry list", "tap attach", "doctor", "gc"})
        CHECK(help.out.find(command) != std::string::npos);
    CHECK(ksmsctl({"--help"}).out == help.out);
    CHECK(ksmsctl({"-h"}).out == help.out);
    CHECK(ksmsctl({"help", "scan"}).out == ksmsctl({"scan", "--help"}).out);
    CHECK(ksmsctl({"scan", "-h"}).out.find("--exclude-ports") != std::string::npos);
    CHECK(ksmsctl({"help", "help"}).exit == 0);
    CHECK(ksmsctl({"help", "help"}).out.starts_with("ksmsctl help [COMMAND]\n"));
    CHECK(ksmsctl({"--he", "scan"}).out == ksmsctl({"scan", "--help"}).out);
    CHECK(ksmsctl({"--conf", "/dev/null", "help", "scan"}).out == ksmsctl({"help", "scan"}).out);
    CHECK(ksmsctl({"help", "tap"}).out.find("tap detach") != std::string::npos);
    CHECK(ksmsctl({"tap", "-h"}).out == ksmsctl({"help", "tap"}).out);
    CHECK(ksmsctl({"--version"}).out.starts_with("ksmsctl "));
    CHECK(json::parse(ksmsctl({"-jV"}).out)["version"].is_string());
    CHECK(json::parse(ksmsctl({"help", "-p"}).out)["text"] ==
          help.out.substr(0, help.out.size() - 1));
    std::istringstream lines(help.out + ksmsctl({"help", "scan"}).out);
    for (std::string line; std::getline(lines, line);) CHECK(line.size() <= 102);
}

TEST_CASE("program: global options are accepted before and after the command") {
    const auto first = json::parse(ksmsctl({"-j", "doctor"}).out);
    const auto last = json::parse(ksmsctl({"doctor", "-j"}).out);
    CHECK(first["schema"] == "ksms.doctor/1");
    CHECK(last["schema"] == "ksms.doctor/1");
    CHECK(ksmsctl({"--color", "always", "doctor"}).out.find("\x1b[") != std::string::npos);
    CHECK(ksmsctl({"doctor"}).out.find('\x1b') == std::string::npos);
    CHECK(ksmsctl({"doctor", "-p"}).out.find("\n  ") != std::string::npos);
    const Directory directory;
    const auto file = directory / "out";
    CHECK(ksmsctl({"-jo", file, "doctor"}).out.empty());
    CHECK(json::parse(content(file))["schema"] == "ksms.doctor/1");
    CHECK(json::parse(ksmsctl({"-qj", "doctor"}).out)["schema"] == "ksms.doctor/1");
    CHECK(ksmsctl({"-po" + file, "doctor"}).out.empty());
    CHECK(content(file).starts_with("{\n  "));
    CHECK(ksmsctl({"-jx", "doctor"}).exit == 2);
}

TEST_CASE("program: control characters in arguments are escaped in messages") {
    for (const std::string bad : {"a\nb\x1b[31m", "x\x7f",
                                  "\xc2\x9b"
                                  "31m"}) {
        const auto wrong = ksmsctl({"scan", "-s", bad, "-d", "10.0.0.2", "-P", "22"});
        CHECK(wrong.exit == 2);
        CHECK(wrong.err.find(bad) == std::string::npos);
        for (const char* control : {"\x1b", "\x7f", "\xc2\x9b"})
            CHECK(wrong.err.find(control) == std::string::npos);
        CHECK(std::ranges::count(wrong.err, '\n') == 1);
    }
}

TEST_CASE("program: doctor without root reports untested features as unknown, not missing") {
    const auto who = shell(
        "without=; ((UID)) || without='setpriv --bounding-set -all --inh-caps -all'; "
        "$without $K doctor; $without $K doctor -j");
    INFO(who.out << who.err);
    REQUIRE(who.out.find("MISSING  CAP_BPF") != std::string::npos);
    CHECK(who.exit == 1);
    CHECK(who.out.find("UNKNOWN  clsact and cls_bpf        cannot tell without CAP_BPF") !=
          std::string::npos);
    CHECK(who.out.find("UNKNOWN  tcx links                 cannot tell without CAP_BPF") !=
          std::string::npos);
    CHECK(who.out.find("modprobe") == std::string::npos);
    CHECK(who.out.find("\"unknown\"") != std::string::npos);
}

TEST_CASE("program: -o replaces the file atomically") {
    const Directory directory;
    const auto file = directory / "out";
    REQUIRE(ksmsctl({"-V", "-o", file}).out.empty());
    CHECK(content(file).starts_with("ksmsctl "));
    fs::permissions(file, fs::perms::owner_read | fs::perms::owner_write);
    CHECK(ksmsctl({"-V", "-j", "-o", file}).exit == 0);
    CHECK(content(file).starts_with("{"));
    CHECK(fs::status(file).permissions() == (fs::perms::owner_read | fs::perms::owner_write));
    CHECK(directory.files() == 1);
}

TEST_CASE("program: -o does not follow symbolic links") {
    const Directory directory;
    const auto target = directory / "target", link = directory / "link";
    std::ofstream(target) << "before";
    for (const auto& to : {target, directory / "not there", std::string("/etc")}) {
        fs::remove(link);
        fs::create_symlink(to, link);
        const auto refused = ksmsctl({"-V", "-o", link});
        CHECK(refused.exit == 1);
        CHECK(refused.err == "ksmsctl: write " + link +
                                 ": it is a symbolic link\nhint: it leads to " + to +
                                 ": name that file itself, or another one\n");
        CHECK(fs::read_symlink(link) == to);
        CHECK(content(target) == "before");
        CHECK_FALSE(fs::exists(directory / "not there"));
    }
    CHECK(directory.files() == 2);
    // A link to a directory inside the path is allowed.
    fs::remove(link);
    fs::create_symlink(".", link);
    CHECK(ksmsctl({"-V", "-o", link + "/target"}).exit == 0);
    CHECK(content(target).starts_with("ksmsctl "));
}

TEST_CASE("program: -o in a world-writable directory makes a file owned by the caller") {
    const Directory directory;
    const auto file = directory / "theirs";
    std::ofstream(file) << "before";
    if (::chown(file.c_str(), 65534, 65534) != 0) {
        WARN("SKIP: it needs root");
        return;
    }
    struct stat status{};
    CHECK(ksmsctl({"-V", "-o", file}).exit == 0);
    REQUIRE(::stat(file.c_str(), &status) == 0);
    CHECK(status.st_uid == 65534);
    REQUIRE(::chmod(directory.path.c_str(), 01777) == 0);
    CHECK(ksmsctl({"-V", "-o", file}).exit == 0);
    REQUIRE(::stat(file.c_str(), &status) == 0);
    CHECK(status.st_uid == ::geteuid());
    CHECK(content(file).starts_with("ksmsctl "));
    CHECK(directory.files() == 1);
}

TEST_CASE("program: -o writes to devices, FIFOs and /dev/fd") {
    const Directory directory;
    CHECK(ksmsctl({"-V", "-o", "/dev/stdout"}).out.starts_with("ksmsctl "));
    CHECK(ksmsctl({"-V", "-o", "/dev/stderr"}).err.starts_with("ksmsctl "));
    CHECK(shell("$K -V -o >(cat) | cat").out.starts_with("ksmsctl "));
    // Output is appended to what others wrote.
    const auto behind =
        shell("cd " + directory.path.string() +
              "; { echo before; $K -V -o /dev/fd/3; $K -V -o /dev/stdout; } 3>&1 >file; cat file");
    CHECK(behind.out.starts_with("ksmsctl "));
    CHECK(behind.out.find("\nbefore\nksmsctl ") != std::string::npos);
    CHECK(ksmsctl({"-V", "-o", "/dev/fd/77"}).err.find("/dev/fd/77: Bad file descriptor") !=
          std::string::npos);
    CHECK(shell("cd " + directory.path.string() + "; mkfifo f; cat f & $K -V -o f; wait")
              .out.starts_with("ksmsctl "));
    CHECK(ksmsctl({"-V", "-o", "/dev/null"}).exit == 0);
    CHECK(ksmsctl({"-V", "-o", directory / "new/"}).exit == 1);
    CHECK(directory.files() == 2);
}

TEST_CASE("program: a failure leaves the -o file unchanged") {
    const Directory directory;
    const auto to_directory = ksmsctl({"-V", "-o", directory.path.string()});
    CHECK(to_directory.exit == 1);
    CHECK(to_directory.err.find("Is a directory\nhint: -o needs a file") != std::string::npos);
    CHECK(ksmsctl({"-V", "-o", directory / "no/such"}).exit == 1);
    const auto file = directory / "kept";
    std::ofstream(file) << "before";
    const auto failed = ksmsctl({"scan", "-j", "-o", file});
    CHECK(failed.exit == 2);
    CHECK(content(file) == "before");
    CHECK(json::parse(failed.out)["schema"] == "ksms.error/1");
    CHECK(ksmsctl({"-V", "-o", "/dev/null"}).exit == 0);
    CHECK(directory.files() == 1);
}

TEST_CASE("program: EPIPE and ENOSPC on standard output") {
    // The shell waits until the reader has exited.
    const auto gone = shell("exec 3> >(exec true); wait $!; $K help >&3; echo $?");
    CHECK(gone.out == "141\n");
    CHECK(gone.err.empty());
    const auto full = shell("$K help > /dev/full");
    CHECK(full.exit == 1);
    CHECK(full.err.find("No space left on device") != std::string::npos);
    const auto closed = shell("$K help >&-");
    CHECK(closed.exit == 1);
}

TEST_CASE("program: an invalid configuration is an error, an unknown key a warning") {
    const Directory directory;
    const auto file = directory / "config.json";
    std::ofstream(file) << "{\"dscp_registry\":\n{\"dscp_range_min\": 99}}";
    const auto wrong = ksmsctl({"doctor", "-j", "--config", file});
    CHECK(wrong.exit == 2);
    CHECK(json::parse(wrong.out)["error"]["message"] ==
          file + ":2: dscp_registry.dscp_range_min: 99 is not a whole number from 0 to 63");
    std::ofstream(file) << "{\"web\": 1}";
    const auto strange = ksmsctl({"doctor", "-j", "--config", file});
    CHECK(json::parse(strange.out)["schema"] == "ksms.doctor/1");
    CHECK(strange.err.find("web") != std::string::npos);
    CHECK(ksmsctl({"-q", "doctor", "-j", "--config", file}).err.empty());
}
