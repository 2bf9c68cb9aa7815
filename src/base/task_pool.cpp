#include "base/task_pool.h"

#include <memory>
#include <system_error>
#include <utility>

namespace flash {

namespace {

std::unique_ptr<TaskPool>& shared() {
    static std::unique_ptr<TaskPool> pool = std::make_unique<TaskPool>(0);
    return pool;
}

}  // namespace

TaskPool& shared_task_pool() { return *shared(); }
void start_shared_task_pool(int threads) { shared() = std::make_unique<TaskPool>(threads); }

TaskPool::TaskPool(int threads) {
    try {
        for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { work(); });
    } catch (const std::system_error&) {  // no more threads: it does with those that there are
    }
}

TaskPool::~TaskPool() {
    {
        const std::lock_guard lock(mutex_);
        ending_ = true;
    }
    changed_.notify_all();
    for (std::thread& thread : threads_) thread.join();
}

void TaskPool::work() {
    std::unique_lock lock(mutex_);
    for (;;) {
        changed_.wait(lock, [this] { return ending_ || !waiting_.empty(); });
        if (ending_) return;
        do_next(lock);
    }
}

void TaskPool::do_next(std::unique_lock<std::mutex>& lock) {
    Entry next = std::move(waiting_.front());
    waiting_.pop_front();
    Group& group = *next.group;
    const bool left_out = group.cancelled_ || group.failure_;
    lock.unlock();
    std::exception_ptr failure;
    if (!left_out) {
        try {
            next.task();
        } catch (...) {
            failure = std::current_exception();
        }
    }
    next.task = nullptr;  // what it holds may be the group's owner's
    lock.lock();
    if (failure && !group.failure_) group.failure_ = failure;
    if (--group.open_ == 0) changed_.notify_all();
}

void TaskPool::wait_for(Group& group, std::unique_lock<std::mutex>& lock) {
    while (group.open_ > 0) {
        if (waiting_.empty())
            changed_.wait(lock);
        else
            do_next(lock);
    }
}

TaskPool::Group::~Group() {
    std::unique_lock lock(pool_.mutex_);
    cancelled_ = true;
    pool_.wait_for(*this, lock);
}

void TaskPool::Group::run(std::function<void()> task) {
    {
        const std::lock_guard lock(pool_.mutex_);
        pool_.waiting_.push_back({this, std::move(task)});
        ++open_;
    }
    pool_.changed_.notify_all();  // threads, and whoever waits for a group
}

void TaskPool::Group::wait() {
    std::unique_lock lock(pool_.mutex_);
    pool_.wait_for(*this, lock);
    cancelled_ = false;
    const std::exception_ptr failure = std::exchange(failure_, nullptr);
    lock.unlock();
    if (failure) std::rethrow_exception(failure);
}

void TaskPool::Group::cancel() {
    const std::lock_guard lock(pool_.mutex_);
    cancelled_ = true;
}

}  // namespace flash
