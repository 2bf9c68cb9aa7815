// Things that are made ahead of need, by a thread of its own while the link or a core is idle, and taken once each:
// lists of items, in the order in which they will be needed. Whatever the thread has not come to is made by whoever
// takes it.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <exception>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/tasks.h"
#include "protocol/flow/ahead_thread.h"

namespace flash::protocol {

/// T: move-only, so that nothing can be used twice.
template <class T>
class PreparedItems {
public:
    using Make = std::function<T(std::size_t list, std::size_t index)>;

    /// Starts the thread, unless work is done in steps. counts: items of each list; bytes: of an item of a list, while
    /// it waits; no more than window_bytes wait at a time. make is called once for each item, by any thread. If it
    /// throws on the thread, the channel is failed with `sentence`.
    PreparedItems(transport::Channel& channel, std::string sentence, std::size_t window_bytes,
                  const std::vector<std::size_t>& counts, std::vector<std::size_t> bytes, Make make,
                  Ahead ahead = Ahead::kThreads)
        : make_(std::move(make)),
          bytes_(std::move(bytes)),
          first_([&] {
              std::vector<std::size_t> first{0};
              for (std::size_t count : counts) first.push_back(first.back() + count);
              return first;
          }()),
          claimed_(first_.back(), false),
          taken_(first_.back(), false),
          thread_(
              channel, std::move(sentence), window_bytes, [this](AheadWindow& window) { run(window); }, ahead) {}

    /// Error(kInternal) if it was taken before. If the thread has failed, what stopped it.
    T take(std::size_t list, std::size_t index) {
        const std::size_t item = first_[list] + index;
        std::unique_lock lock(mutex_);
        // What is made for one use must not be used twice; and nothing would ever come to be taken.
        require(!taken_[item], ErrorKind::kInternal, "something that was prepared was asked for twice");
        taken_[item] = true;
        if (!claimed_[item]) {
            claimed_[item] = true;
            lock.unlock();
            return make_(list, index);
        }
        ready_.wait(lock, [&] { return failure_ || made_.contains(item); });
        if (!made_.contains(item)) std::rethrow_exception(failure_);
        auto node = made_.extract(item);
        thread_.window().release(bytes_[list]);
        return std::move(node.mapped());
    }

    /// What stopped the thread, if anything did.
    std::exception_ptr failure() {
        const std::lock_guard lock(mutex_);
        return failure_;
    }

    /// Without a thread of its own: makes the next items, one for each task that makes progress, if there are any and
    /// room for them. False: nothing was made.
    bool step() {
        std::vector<std::pair<std::size_t, std::size_t>> items;  // lists and numbers
        const std::size_t most = tasks_at_once();
        while (next_ < claimed_.size() && items.size() < most) {
            find_list();
            if (!thread_.window().try_acquire(bytes_[list_])) break;
            if (claim_next()) items.emplace_back(list_, next_ - 1);
        }
        parallel_for(std::size_t{0}, items.size(), std::size_t{1}, [&](std::size_t first, std::size_t end) {
            for (; first < end; ++first) make(items[first].first, items[first].second);
        });
        return !items.empty();
    }

private:
    void find_list() {
        while (next_ >= first_[list_ + 1]) ++list_;
    }
    /// Goes past the next item, which has got its bytes. False, with the bytes given back: somebody has taken it.
    bool claim_next() {
        const std::lock_guard lock(mutex_);
        const std::size_t item = next_++;
        if (claimed_[item]) {
            thread_.window().release(bytes_[list_]);
            return false;
        }
        claimed_[item] = true;
        return true;
    }
    void make(std::size_t list, std::size_t item) {
        T made = make_(list, item - first_[list]);
        const std::lock_guard lock(mutex_);
        made_.emplace(item, std::move(made));
        ready_.notify_all();
    }
    void run(AheadWindow& window) {
        try {
            while (next_ < claimed_.size()) {
                find_list();
                if (!window.acquire(bytes_[list_])) return;
                if (claim_next()) make(list_, next_ - 1);
            }
        } catch (...) {
            {
                const std::lock_guard lock(mutex_);
                failure_ = std::current_exception();
            }
            ready_.notify_all();
            throw;
        }
    }

    const Make make_;
    const std::vector<std::size_t> bytes_;
    /// Number of each list's first item, counted through all lists; one more at the end.
    const std::vector<std::size_t> first_;
    std::mutex mutex_;
    std::condition_variable ready_;
    std::vector<bool> claimed_;  // by the thread or by take()
    std::vector<bool> taken_;
    std::map<std::size_t, T> made_;  // by the thread, not taken yet
    // What the thread comes to next: an item, and its list.
    std::size_t next_ = 0, list_ = 0;
    std::exception_ptr failure_;
    AheadThread thread_;  // last: it uses the others
};

}  // namespace flash::protocol
