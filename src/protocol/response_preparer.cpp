#include "protocol/response_preparer.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "protocol/activation_shares.h"
#include "protocol/messages.h"
#include "protocol/upload_producer.h"

namespace flash::protocol {

ResponsePreparer::ResponsePreparer(const ClientModel& model, transport::Channel& channel, const SecretSeed& seed,
                                   const scheme::SlotEvaluator& evaluator, Profile* profile)
    : model_(model),
      evaluator_(evaluator),
      profile_(profile),
      shares_(seed, kActivationShareDomain),
      responses_(seed, "client product response"),
      item_bytes_(scheme::prepared_response_bytes(scheme::slot_parameters(model.architecture.single_modulus()))),
      first_([&] {
          std::vector<std::size_t> first{0};
          for (const model::Layer& layer : model.architecture.layers)
              first.push_back(first.back() + (layer.activation ? chunk_count(layer.output.size()) : 0));
          return first;
      }()),
      claimed_(first_.back(), false),
      taken_(first_.back(), false),
      thread_(channel, "internal error of the client", kPreparedBytes, [this](AheadWindow& window) { run(window); }) {}

scheme::PreparedResponse ResponsePreparer::prepare(int layer, std::size_t chunk) const {
    ProfileSpan span(profile_, layer, Phase::kPrepare);
    const std::size_t values =
        static_cast<std::size_t>(model_.architecture.layers[static_cast<std::size_t>(layer)].output.size());
    SecretBuffer<std::uint32_t> mask(std::min(scheme::kSlotDegree, values - chunk * scheme::kSlotDegree));
    activation_share(shares_, layer, chunk, model_.architecture.single_modulus(), mask);
    std::array<scheme::SlotVectorId, kServerVectors> ids;
    for (std::uint32_t v = 0; v < kServerVectors; ++v)
        ids[v] = {static_cast<std::uint32_t>(layer), static_cast<std::uint32_t>(chunk), v};
    Prng rng = responses_.stream(static_cast<std::uint64_t>(layer), chunk);
    return evaluator_.prepare(ids, mask, rng);
}

void ResponsePreparer::run(AheadWindow& window) {
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
                scheme::PreparedResponse prepared = prepare(static_cast<int>(l), item - first_[l]);
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

scheme::PreparedResponse ResponsePreparer::take(int layer, std::size_t chunk) {
    const std::size_t item = first_[static_cast<std::size_t>(layer)] + chunk;
    std::unique_lock lock(mutex_);
    // A second response from the same streams would reveal the difference of two answers; and nothing would ever come
    // to be taken.
    require(!taken_[item], ErrorKind::kInternal, "a product response was asked for twice");
    taken_[item] = true;
    if (!claimed_[item]) {
        claimed_[item] = true;
        lock.unlock();
        return prepare(layer, chunk);
    }
    ready_.wait(lock, [&] { return failed_ || made_.contains(item); });
    require(made_.contains(item), ErrorKind::kInternal, "a product response could not be prepared");
    scheme::PreparedResponse prepared = std::move(made_.at(item));
    made_.erase(item);
    thread_.window().release(item_bytes_);
    return prepared;
}

}  // namespace flash::protocol
