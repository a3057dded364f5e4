// SPDX-License-Identifier: BSD-2-Clause
// Random operations of many processes, some of them killed and stopped; the history is checked
// against a sequential model of 32 slots, each with at most one holder.
#include <fmt/format.h>
#include <poll.h>
#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <limits>
#include <map>
#include <random>

#include "base/clock.hpp"
#include "registry/check.hpp"
#include "registry_bench.hpp"

using namespace ksms;
using namespace ksms::lab;

namespace {

constexpr int kProcesses = 16, kSlots = 32;
constexpr std::size_t kOperations = 100'000, kRoom = 2 * kOperations;

enum class Kind : std::uint8_t { allocate, renew, release };
enum class Answer : std::uint8_t { none, given, refused, done, gone, wrong };

/// One operation; it took effect at some time between `from` and `to`.
struct Event {
    Instant from, to;  ///< to == Instant{}: its process was killed in it
    std::uint64_t generation{0};
    pid_t process{0};
    Kind kind{};
    Answer answer{};
    std::uint8_t dscp{0};
};

struct History {
    std::atomic<std::size_t> begun;
    std::array<Event, kRoom> events;
};

/// Allocates, renews and releases at random until it is killed or all operations are done.
class Worker {
public:
    Worker(const Registry& registry, History& history, unsigned seed)
        : registry_(registry), history_(history), random_(seed) {}

    void run() {
        while (true) {
            const auto at = history_.begun.fetch_add(1);
            if (at >= kOperations) return;
            auto& event = history_.events[at];
            event.process = getpid();
            const auto dice = random_() % 8;
            event.kind = held_.empty() || (dice < 3 && held_.size() < 4) ? Kind::allocate
                         : dice < 5                                      ? Kind::renew
                                                                         : Kind::release;
            event.from = monotonic();
            perform(event);
            event.to = monotonic();
        }
    }

private:
    void perform(Event& event) {
        if (event.kind == Kind::allocate) return allocate(event);
        const auto chosen = held_.begin() + static_cast<long>(random_() % held_.size());
        event.dscp = chosen->dscp;
        event.generation = chosen->generation.value();
        if (event.kind == Kind::renew) {
            event.answer = registry_.renew(chosen->dscp, chosen->generation, std::chrono::hours(1))
                               ? Answer::done
                               : Answer::gone;
            return;
        }
        const auto released = registry_.release(chosen->dscp, chosen->generation);
        event.answer = released && *released ? Answer::done : Answer::gone;
        held_.erase(chosen);
    }

    void allocate(Event& event) {
        const auto lease =
            registry_.allocate(RegistryBench::request(fmt::format("j{}-{}", getpid(), number_++)));
        event.answer = lease                                 ? Answer::given
                       : lease.error().code == Code::no_dscp ? Answer::refused
                                                             : Answer::wrong;
        if (!lease) return;
        event.dscp = lease->dscp;
        event.generation = lease->generation.value();
        held_.push_back(*lease);
    }

    const Registry& registry_;
    History& history_;
    std::minstd_rand random_;
    std::vector<Lease> held_;
    int number_{0};
};

struct Span {
    Instant from, to{kNever};
};

/// One lease of a slot: taken within one interval, over within another.
struct Hold {
    std::uint64_t generation{0};
    pid_t owner{0};
    Span taken, over{kNever, kNever};
};

/// Sorts the history by slot and reports contradictions.
class Model {
public:
    Model(const History& history, const std::map<pid_t, Span>& deaths) {
        const auto count = std::min(history.begun.load(), kOperations);
        for (std::size_t i = 0; i < count; ++i) take(history.events[i]);
        for (auto& [slot, holds] : slots_) {
            std::ranges::sort(holds, {}, &Hold::generation);
            for (auto& hold : holds) end(hold, deaths);
        }
    }

    [[nodiscard]] std::vector<std::string> contradictions() {
        for (const auto& [slot, holds] : slots_)
            for (std::size_t i = 1; i < holds.size(); ++i) follow(slot, holds[i - 1], holds[i]);
        for (const auto& event : refused_)
            if (!could_be_full(event)) wrong_.push_back("refused while a DSCP was free");
        return wrong_;
    }
    [[nodiscard]] std::size_t given() const {
        std::size_t total = 0;
        for (const auto& [slot, holds] : slots_) total += holds.size();
        return total;
    }
    [[nodiscard]] std::size_t refused() const { return refused_.size(); }

private:
    void take(const Event& event) {
        if (event.answer == Answer::wrong) wrong_.emplace_back("an answer that is none");
        if (event.kind == Kind::allocate && event.answer == Answer::given)
            slots_[event.dscp].push_back(
                {event.generation, event.process, {event.from, event.to}, {kNever, kNever}});
        if (event.kind == Kind::allocate && event.answer == Answer::refused)
            refused_.push_back(event);
        if (event.kind == Kind::release)
            released_[{event.dscp, event.generation}] = {event.from,
                                                         event.to == Instant{} ? kNever : event.to};
        // Its owner lives and it lasts an hour: no other process may end the lease.
        if (event.kind != Kind::allocate && event.answer == Answer::gone)
            wrong_.push_back(fmt::format("DSCP {} generation {} was lost by its living owner",
                                         event.dscp, event.generation));
    }

    void end(Hold& hold, const std::map<pid_t, Span>& deaths) {
        const auto dscp = slot_of(hold);
        if (const auto release = released_.find({dscp, hold.generation});
            release != released_.end())
            hold.over = release->second;
        if (const auto death = deaths.find(hold.owner); death != deaths.end())
            hold.over = {std::min(hold.over.from, death->second.from),
                         hold.over.to == kNever ? death->second.to : hold.over.to};
    }
    [[nodiscard]] std::uint8_t slot_of(const Hold& hold) const {
        for (const auto& [slot, holds] : slots_)
            if (!holds.empty() && &hold >= holds.data() && &hold < holds.data() + holds.size())
                return slot;
        return 0;
    }

    /// The intervals allow the earlier lease to end before the later one begins.
    void follow(std::uint8_t slot, const Hold& earlier, const Hold& later) {
        if (earlier.generation == later.generation)
            wrong_.push_back(
                fmt::format("DSCP {} generation {} was given twice", slot, later.generation));
        else if (earlier.over.from >= later.taken.to)
            wrong_.push_back(fmt::format("DSCP {} was given again (generation {}) while {} held it",
                                         slot, later.generation, earlier.owner));
    }

    /// True if all slots may have been held at some time during the call.
    [[nodiscard]] bool could_be_full(const Event& event) const {
        std::vector<std::pair<Instant, int>> steps;
        for (const auto& [slot, holds] : slots_) {
            Instant covered;
            for (std::size_t i = 0; i < holds.size(); ++i) {
                // A lease of a killed process that was never reported lies in a gap of the
                // generations.
                const bool gap = i > 0 && holds[i].generation > holds[i - 1].generation + 1;
                const auto from =
                    std::max(gap ? holds[i - 1].over.from : holds[i].taken.from, covered);
                const auto to = holds[i].over.to;
                if (from >= to) continue;
                steps.emplace_back(from, 1);
                if (to != kNever) steps.emplace_back(to, -1);
                covered = to;
            }
        }
        std::ranges::sort(steps);
        int held = 0;
        for (std::size_t i = 0; i < steps.size(); ++i) {
            held += steps[i].second;
            const auto until = i + 1 < steps.size() ? steps[i + 1].first : kNever;
            if (held == kSlots && steps[i].first <= event.to && until >= event.from) return true;
        }
        return false;
    }

    std::map<std::uint8_t, std::vector<Hold>> slots_;
    std::map<std::pair<std::uint8_t, std::uint64_t>, Span> released_;
    std::vector<Event> refused_;
    std::vector<std::string> wrong_;
};

/// The processes, and the signals sent to them.
class Crowd {
public:
    Crowd(const Registry& registry, History& history) : registry_(registry), history_(history) {
        for (int i = 0; i < kProcesses; ++i) start();
    }

    /// Kills and stops processes in turn until all operations are done.
    void trouble() {
        std::minstd_rand random(4711);
        while (history_.begun.load() < kOperations) {
            const timespec pause{0, static_cast<long>(random() % 3'000'000)};
            ppoll(nullptr, 0, &pause, nullptr);
            const auto victim = workers_[random() % workers_.size()];
            if (random() % 3 != 0) {
                ::kill(victim, SIGSTOP);
                stopped_.push_back(victim);
                if (stopped_.size() > 4) resume();
            } else {
                end(victim);
                start();
            }
        }
        while (!stopped_.empty()) resume();
        for (const auto worker : workers_) waitpid(worker, nullptr, 0);
        for (const auto worker : workers_) deaths[worker] = {last_operations(), monotonic()};
    }

    std::map<pid_t, Span> deaths;
    int killed{0};

private:
    void start() {
        const auto pid = fork();
        if (pid == 0) {
            Worker(registry_, history_, static_cast<unsigned>(getpid())).run();
            _exit(0);
        }
        workers_.push_back(pid);
    }
    /// No undisturbed worker ended early: of the last 64 operations some process did several
    /// in a row.
    [[nodiscard]] Instant last_operations() const {
        auto earliest = kNever;
        for (auto i = kOperations - 64; i < kOperations; ++i)
            earliest = std::min(earliest, history_.events[i].from);
        return earliest;
    }
    void end(pid_t victim) {
        const auto from = monotonic();
        ::kill(victim, SIGKILL);
        waitpid(victim, nullptr, 0);
        deaths[victim] = {from, monotonic()};
        std::erase(workers_, victim);
        std::erase(stopped_, victim);
        ++killed;
    }
    void resume() {
        ::kill(stopped_.front(), SIGCONT);
        stopped_.erase(stopped_.begin());
    }

    const Registry& registry_;
    History& history_;
    std::vector<pid_t> workers_, stopped_;
};

}  // namespace

TEST_CASE(
    "registry model: 100,000 operations of 16 processes, killed and stopped, are linearizable") {
    const RegistryBench bench;
    void* memory =
        mmap(nullptr, sizeof(History), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    REQUIRE(memory != MAP_FAILED);
    auto* history = new (memory) History;
    Crowd crowd(bench.registry, *history);
    crowd.trouble();
    Model model(*history, crowd.deaths);
    const auto wrong = model.contradictions();
    INFO(fmt::format("{} given, {} refused, {} killed", model.given(), model.refused(),
                     crowd.killed));
    CAPTURE(wrong.empty() ? "" : wrong.front());
    CHECK(wrong.empty());
    CHECK(model.given() > 10'000);
    CHECK(model.refused() > 0);
    CHECK(crowd.killed > 0);
    // None is lost: all DSCPs are free again.
    CHECK(value(bench.registry.list()).empty());
    std::vector<Lease> all;
    for (int i = 0; i < kSlots; ++i)
        all.push_back(
            value(bench.registry.allocate(RegistryBench::request(fmt::format("f{}", i)))));
    CHECK(all.back().dscp == 63);
    CHECK(value(check_leases(bench.objects.registry, RegistryLimits{}, false)).empty());
    munmap(memory, sizeof(History));
}

TEST_CASE("registry: 200 rounds of kill -9 at random moments leave nothing wrong") {
    const RegistryBench bench;
    std::minstd_rand random(17);
    for (int round = 0; round < 200; ++round) {
        const auto pid = fork();
        if (pid == 0) {
            for (int i = 0;; ++i) {
                const auto lease =
                    bench.registry.allocate(RegistryBench::request(fmt::format("k{}", i)));
                if (!lease) _exit(1);
                if (!bench.registry.renew(lease->dscp, lease->generation, std::chrono::minutes(1)))
                    _exit(2);
                if (!bench.registry.release(lease->dscp, lease->generation)) _exit(3);
            }
        }
        const timespec pause{0, static_cast<long>(random() % 2'000'000)};
        ppoll(nullptr, 0, &pause, nullptr);
        ::kill(pid, SIGKILL);
        int status = 0;
        waitpid(pid, &status, 0);
        REQUIRE(WIFSIGNALED(status));
        REQUIRE(value(bench.registry.list()).empty());
    }
    CHECK(value(check_leases(bench.objects.registry, RegistryLimits{}, false)).empty());
}
