#include "protocol/flow/answer_preparer.h"

#include "base/error.h"
#include "protocol/flow/failure.h"
#include "protocol/messages.h"
#include "protocol/steps.h"

namespace flash::protocol {

AnswerPreparer::AnswerPreparer(const Activation& activation, const ActivationClient& client,
                               transport::Channel& channel, Profile* profile)
    : client_(client),
      profile_(profile),
      item_bytes_(activation.sizes().prepared),
      first_([&] {
          std::vector<std::size_t> first{0};
          for (int l = 0; l < activation.layers(); ++l) first.push_back(first.back() + activation.chunks(l));
          return first;
      }()),
      claimed_(first_.back(), false),
      taken_(first_.back(), false),
      thread_(channel, internal_error(Party::kClient), kPreparedBytes, [this](AheadWindow& window) { run(window); }) {}

std::unique_ptr<PreparedAnswer> AnswerPreparer::prepare(int layer, std::size_t chunk) const {
    ProfileSpan span(profile_, layer, step::kPrepare);
    return client_.prepare(layer, chunk);
}

void AnswerPreparer::run(AheadWindow& window) {
    try {
        for (std::size_t l = 0; l + 1 < first_.size(); ++l)
            for (std::size_t item = first_[l]; item < first_[l + 1]; ++item) {
                if (!window.acquire(item_bytes_)) return;
                {
                    const std::lock_guard lock(mutex_);
                    if (claimed_[item]) {
                        window.release(item_bytes_);
                        continue;
                    }
                    claimed_[item] = true;
                }
                std::unique_ptr<PreparedAnswer> prepared = prepare(static_cast<int>(l), item - first_[l]);
                const std::lock_guard lock(mutex_);
                made_.emplace(item, std::move(prepared));
                ready_.notify_all();
            }
    } catch (...) {
        {
            const std::lock_guard lock(mutex_);
            failed_ = true;
        }
        ready_.notify_all();
        throw;
    }
}

std::unique_ptr<PreparedAnswer> AnswerPreparer::take(int layer, std::size_t chunk) {
    const std::size_t item = first_[static_cast<std::size_t>(layer)] + chunk;
    std::unique_lock lock(mutex_);
    // A second answer from the same streams would reveal the difference of two answers; and nothing would ever come
    // to be taken.
    require(!taken_[item], ErrorKind::kInternal, "an answer was asked for twice");
    taken_[item] = true;
    if (!claimed_[item]) {
        claimed_[item] = true;
        lock.unlock();
        return prepare(layer, chunk);
    }
    ready_.wait(lock, [&] { return failed_ || made_.contains(item); });
    require(made_.contains(item), ErrorKind::kInternal, "an answer could not be prepared");
    std::unique_ptr<PreparedAnswer> prepared = std::move(made_.at(item));
    made_.erase(item);
    thread_.window().release(item_bytes_);
    return prepared;
}

}  // namespace flash::protocol
