// Exceptions of the module with threads, in Node.js: caught by their type, on the first thread and on others, all at
// once; and carried from the thread of a task to whoever waits for it.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <exception>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/task_pool.h"

namespace flash {
namespace {

constexpr int kKinds = 4;

struct CountsItsEnd {
    std::atomic<int>& ends;
    ~CountsItsEnd() { ++ends; }
};

[[gnu::noinline]] void throw_kind(int kind, std::atomic<int>& ends) {
    const CountsItsEnd cleanup{ends};
    switch (kind) {
        case 0: throw Error(ErrorKind::kNetwork, "the server is gone");
        case 1: throw std::bad_alloc();
        case 2: throw std::invalid_argument("no");
        default: throw 3;
    }
}

/// Which handler fits, past those of other types; -1 for a wrong one.
int caught_kind(int kind, std::atomic<int>& ends) {
    try {
        try {
            throw_kind(kind, ends);
        } catch (const std::out_of_range&) {
            return -1;
        } catch (const Error& error) {
            return error.kind() == ErrorKind::kNetwork && std::string(error.what()) == "the server is gone" ? 0 : -1;
        }
    } catch (const std::bad_alloc&) {
        return 1;
    } catch (const std::exception&) {  // of a base class
        return 2;
    } catch (...) {
        return 3;
    }
    return -1;
}

TEST(LandingPads, TheFirstThreadCatchesByType) {
    std::atomic<int> ends = 0;
    for (int kind = 0; kind < kKinds; ++kind) EXPECT_EQ(caught_kind(kind, ends), kind);
    EXPECT_EQ(ends, kKinds);
}

TEST(LandingPads, ThreadsCatchByTypeAtOnce) {
    constexpr int kTimes = 2000;
    std::atomic<int> ends = 0;
    std::array<int, kKinds + 1> right{};
    const auto catch_all = [&](int kind) {
        for (int i = 0; i < kTimes; ++i) right[kind] += caught_kind(kind % kKinds, ends) == kind % kKinds;
    };
    std::vector<std::thread> threads;
    for (int kind = 0; kind < kKinds; ++kind) threads.emplace_back(catch_all, kind);
    catch_all(kKinds);
    for (std::thread& thread : threads) thread.join();
    for (int count : right) EXPECT_EQ(count, kTimes);
    EXPECT_EQ(ends, (kKinds + 1) * kTimes);
}

TEST(LandingPads, WaitRethrowsWhatATaskThrewOnAnotherThread) {
    TaskPool pool(2);
    std::atomic<int> ends = 0;
    for (int i = 0; i < 200; ++i) {
        TaskPool::Group group(pool);
        std::atomic<bool> began = false;
        group.run([&] {
            began = true;
            throw_kind(0, ends);
        });
        while (!began) std::this_thread::yield();  // by now one of the pool's threads has it
        EXPECT_THROW(group.wait(), Error);
    }
    EXPECT_EQ(ends, 200);
}

}  // namespace
}  // namespace flash
