// SPDX-License-Identifier: BSD-2-Clause
#include "os/proc_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>

namespace {

using ksms::Fd;
using ksms::open_proc_file_at;
using ksms::ProcFile;

/// What ksmsd-proc.service runs.
class Helper {
public:
    Helper() {
        std::string name = "/tmp/ksmst_proc_XXXXXX";
        REQUIRE(::mkdtemp(name.data()) != nullptr);
        directory_ = name;
        address_.sun_family = AF_UNIX;
        std::memcpy(address_.sun_path, path().c_str(), path().size());
        socket_ = Fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        REQUIRE(::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address_),
                       sizeof address_) == 0);
        pid_ = ::fork();
        REQUIRE(pid_ >= 0);
        if (pid_ == 0) {
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);
            static_cast<void>(ksms::serve_proc_files(socket_.get()));
            ::_exit(1);
        }
    }
    Helper(const Helper&) = delete;
    Helper& operator=(const Helper&) = delete;
    ~Helper() {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
        std::filesystem::remove_all(directory_);
    }
    [[nodiscard]] std::string path() const { return directory_ + "/s"; }

    /// Sends what is no request.
    void send(const std::string& bytes) const {
        const Fd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        REQUIRE(::sendto(fd.get(), bytes.data(), bytes.size(), 0,
                         reinterpret_cast<const sockaddr*>(&address_), sizeof address_) >= 0);
    }

private:
    std::string directory_;
    sockaddr_un address_{};
    Fd socket_;
    pid_t pid_{-1};
};

}  // namespace

TEST_CASE("proc files: a helper opens the two of a process") {
    const Helper helper;
    const auto self = static_cast<std::uint32_t>(::getpid());
    const auto stat = open_proc_file_at(helper.path(), self, ProcFile::stat);
    REQUIRE(stat);
    std::array<char, 32> text{};
    REQUIRE(::read(stat->get(), text.data(), text.size() - 1) > 0);
    CHECK(std::string(text.data()).starts_with(fmt::format("{} (", self)));
    CHECK(::fcntl(stat->get(), F_GETFD) == FD_CLOEXEC);

    const auto net = open_proc_file_at(helper.path(), self, ProcFile::net);
    REQUIRE(net);
    struct stat theirs{}, ours{};
    REQUIRE(::fstat(net->get(), &theirs) == 0);
    REQUIRE(::stat("/proc/self/ns/net", &ours) == 0);
    CHECK(theirs.st_ino == ours.st_ino);

    const auto none = open_proc_file_at(helper.path(), 0x7fffffff, ProcFile::net);
    REQUIRE(!none);
    CHECK(none.error().err == ENOENT);
}

TEST_CASE("proc files: what is no request opens nothing, and the next one is answered") {
    const Helper helper;
    for (const auto& bytes : {std::string(), std::string("x"), std::string(8, '\0'),
                              std::string(8, '\xff'), std::string(4096, 'x')})
        helper.send(bytes);
    const auto other = open_proc_file_at(helper.path(), static_cast<std::uint32_t>(::getpid()),
                                         static_cast<ProcFile>(2));
    REQUIRE(!other);
    CHECK(other.error().err == 0);
    CHECK(open_proc_file_at(helper.path(), static_cast<std::uint32_t>(::getpid()), ProcFile::stat));
}

TEST_CASE("proc files: without a helper nobody answers") {
    const auto none = open_proc_file_at("/tmp/ksmst_none/s", 1, ProcFile::stat);
    REQUIRE(!none);
    CHECK(none.error().err == 0);
    CHECK(!open_proc_file_at(std::string(200, 'x'), 1, ProcFile::stat));
}
