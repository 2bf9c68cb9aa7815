// Threads for tasks, where there is no oneTBB: in a web page whose workers share the module's memory (base/tasks.h).
// Whoever waits for tasks works on them as well, on those of any group, so that a pool without threads does all the
// same: as with oneTBB, a lock that a task takes is not held while one waits.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace flash {

class TaskPool {
public:
    /// Starts so many threads, which end with the pool. Its groups must end before it.
    explicit TaskPool(int threads);
    ~TaskPool();
    TaskPool(const TaskPool&) = delete;
    TaskPool& operator=(const TaskPool&) = delete;

    std::size_t threads() const { return threads_.size(); }

    /// Tasks that are waited for together, and that may begin others of the same group.
    class Group {
    public:
        explicit Group(TaskPool& pool) : pool_(pool) {}
        /// What has not begun is left out; waits for the rest.
        ~Group();
        Group(const Group&) = delete;
        Group& operator=(const Group&) = delete;

        void run(std::function<void()> task);
        /// Until all are done; rethrows what the first that failed has thrown. What had not begun then was left out.
        void wait();
        /// What has not begun is left out, until the next wait() has ended.
        void cancel();

    private:
        friend class TaskPool;
        TaskPool& pool_;
        // Under the pool's mutex.
        std::size_t open_ = 0;  // begun or not, but not done
        bool cancelled_ = false;
        std::exception_ptr failure_;
    };

private:
    struct Entry {
        Group* group;
        std::function<void()> task;
    };

    void work();
    /// Does the first task that waits, with the lock given back meanwhile.
    void do_next(std::unique_lock<std::mutex>& lock);
    void wait_for(Group& group, std::unique_lock<std::mutex>& lock);

    std::mutex mutex_;
    std::condition_variable changed_;  // a task waits, a group is done, or the pool ends
    std::deque<Entry> waiting_;
    bool ending_ = false;
    std::vector<std::thread> threads_;
};

/// The pool that base/tasks.h uses: without threads until they are started, when no task is under way.
TaskPool& shared_task_pool();
void start_shared_task_pool(int threads);

}  // namespace flash
