// Tasks of groups on a pool of any number of threads: all are done before a wait ends, whoever begins them; what one
// throws comes out of the wait; what has not begun can be left out.
#include "base/task_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

namespace flash {
namespace {

class TaskPoolTest : public ::testing::TestWithParam<int> {};

TEST_P(TaskPoolTest, AllTasksAreDone) {
    TaskPool pool(GetParam());
    EXPECT_EQ(pool.threads(), static_cast<std::size_t>(GetParam()));
    std::vector<std::atomic<int>> done(1000);
    TaskPool::Group group(pool);
    for (int again = 1; again <= 2; ++again) {
        for (auto& each : done) group.run([&each] { ++each; });
        group.wait();
        for (auto& each : done) EXPECT_EQ(each, again);
    }
}

TEST_P(TaskPoolTest, TasksBeginOthersAndWaitForGroupsOfTheirOwn) {
    TaskPool pool(GetParam());
    std::atomic<int> done = 0;
    TaskPool::Group group(pool);
    for (int i = 0; i < 20; ++i)
        group.run([&] {
            TaskPool::Group inner(pool);
            for (int j = 0; j < 10; ++j) inner.run([&] { ++done; });
            inner.wait();
            group.run([&] { done += 100; });
        });
    group.wait();
    EXPECT_EQ(done, 20 * 110);
}

TEST_P(TaskPoolTest, WaitRethrowsAndTheGroupServesOn) {
    TaskPool pool(GetParam());
    TaskPool::Group group(pool);
    std::atomic<int> done = 0;
    group.run([] { throw std::runtime_error("no"); });
    for (int i = 0; i < 100; ++i) group.run([&] { ++done; });
    EXPECT_THROW(group.wait(), std::runtime_error);
    EXPECT_LE(done, 100);
    done = 0;
    group.run([&] { ++done; });
    group.wait();
    EXPECT_EQ(done, 1);
}

TEST_P(TaskPoolTest, WhatHasNotBegunIsLeftOut) {
    TaskPool pool(GetParam());
    std::atomic<int> begun = 0;
    {
        TaskPool::Group group(pool);
        group.cancel();
        for (int i = 0; i < 100; ++i) group.run([&] { ++begun; });
        group.wait();
        EXPECT_EQ(begun, 0);
        std::atomic<bool> go = false;
        for (int i = 0; i < 100; ++i)
            group.run([&] {
                ++begun;
                while (!go) std::this_thread::yield();
            });
        group.cancel();
        go = true;
    }  // the end of a group waits for those that had begun
    EXPECT_LE(begun, GetParam());
}

TEST_P(TaskPoolTest, ATaskHoldsNothingOnceItsGroupIsDone) {
    TaskPool pool(GetParam());
    const auto held = std::make_shared<int>(1);
    TaskPool::Group group(pool);
    for (int i = 0; i < 50; ++i) group.run([held] { std::this_thread::yield(); });
    group.wait();
    EXPECT_EQ(held.use_count(), 1);
}

INSTANTIATE_TEST_SUITE_P(Threads, TaskPoolTest, ::testing::Values(0, 1, 4));

TEST(TaskPool, TheSharedOneStartsWithoutThreads) {
    EXPECT_EQ(shared_task_pool().threads(), 0U);
    start_shared_task_pool(2);
    EXPECT_EQ(shared_task_pool().threads(), 2U);
    std::atomic<int> done = 0;
    {
        TaskPool::Group group(shared_task_pool());
        for (int i = 0; i < 10; ++i) group.run([&] { ++done; });
        group.wait();
    }
    EXPECT_EQ(done, 10);
    start_shared_task_pool(0);
}

}  // namespace
}  // namespace flash
