// Work that may be done in parallel. With oneTBB; or in a web page, which has none, by a pool of threads
// (FLASH_POOL_TASKS), or at once by the caller (FLASH_SERIAL_TASKS). All do the same work, so nothing may depend on
// which core or in which order.
#pragma once

#include <algorithm>
#include <cstddef>
#include <exception>
#include <utility>

#if defined(FLASH_POOL_TASKS)
#include "base/task_pool.h"
#elif !defined(FLASH_SERIAL_TASKS)
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>
#include <tbb/task_group.h>
#endif

namespace flash {

#if defined(FLASH_SERIAL_TASKS)

class TaskGroup {
public:
    template <class Task>
    void run(const Task& task) {
        if (failure_ || cancelled_) return;
        try {
            task();
        } catch (...) {
            if (!failure_) failure_ = std::current_exception();
        }
    }
    void wait() {
        cancelled_ = false;
        if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
    }
    void cancel() { cancelled_ = true; }

private:
    std::exception_ptr failure_;
    bool cancelled_ = false;
};

template <class Index, class Body>
void parallel_for(Index begin, Index end, Index together, const Body& body) {
    for (; begin < end; begin += std::min<Index>(together, end - begin))
        body(begin, begin + std::min<Index>(together, end - begin));
}

template <class Body>
void in_background(const Body& body) {
    body();
}

inline std::size_t tasks_at_once() { return 1; }

#elif defined(FLASH_POOL_TASKS)

class TaskGroup : public TaskPool::Group {
public:
    TaskGroup() : Group(shared_task_pool()) {}
};

template <class Index, class Body>
void parallel_for(Index begin, Index end, Index together, const Body& body) {
    TaskGroup group;
    while (begin < end) {
        const Index next = begin + std::min<Index>(together, end - begin);
        group.run([&body, begin, next] { body(begin, next); });
        begin = next;
    }
    group.wait();
}

template <class Body>
void in_background(const Body& body) {
    body();
}

inline std::size_t tasks_at_once() { return shared_task_pool().threads() + 1; }

#else

/// Tasks that may begin others of the same group.
class TaskGroup {
public:
    TaskGroup() = default;
    TaskGroup(const TaskGroup&) = delete;
    TaskGroup& operator=(const TaskGroup&) = delete;
    /// What has not begun is left out.
    ~TaskGroup() {
        try {
            group_.cancel();
            group_.wait();
        } catch (...) {  // nobody has asked
        }
    }

    template <class Task>
    void run(Task task) {
        group_.run(std::move(task));
    }
    /// Until all are done; rethrows what one of them threw.
    void wait() { group_.wait(); }
    /// What has not begun is left out.
    void cancel() { group_.cancel(); }

private:
    tbb::task_group group_;
};

/// body(first, end) for parts of the range, of `together` indices or a few more.
template <class Index, class Body>
void parallel_for(Index begin, Index end, Index together, const Body& body) {
    tbb::parallel_for(tbb::blocked_range<Index>(begin, end, static_cast<std::size_t>(together)),
                      [&](const auto& range) { body(range.begin(), range.end()); });
}

/// Loops within the body get cores that have nothing else to do.
template <class Body>
void in_background(const Body& body) {
    tbb::task_arena arena(tbb::task_arena::automatic, 1, tbb::task_arena::priority::low);
    arena.execute(body);
}

/// Tasks that make progress at the same time.
inline std::size_t tasks_at_once() { return static_cast<std::size_t>(tbb::this_task_arena::max_concurrency()); }

#endif

}  // namespace flash
