// SPDX-License-Identifier: BSD-2-Clause
#include "os/signals.hpp"

#include <csignal>

namespace ksms {
namespace {

std::atomic<int> caught{0};
static_assert(std::atomic<int>::is_always_lock_free, "a signal handler writes it");

extern "C" void note_signal(int number) {
    caught.store(number);
}

}  // namespace

const std::atomic<int>& catch_signals() {
    struct sigaction action{};
    action.sa_handler = SIG_IGN;
    ::sigaction(SIGPIPE, &action, nullptr);
    action.sa_handler = note_signal;  // without SA_RESTART: a wait ends with EINTR
    for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) {
        struct sigaction before{};
        ::sigaction(number, nullptr, &before);
        if (before.sa_handler != SIG_IGN) ::sigaction(number, &action, nullptr);
    }
    return caught;
}

void release_signals() {
    struct sigaction action{};
    action.sa_handler = SIG_DFL;
    ::sigaction(SIGPIPE, &action, nullptr);
}

}  // namespace ksms
