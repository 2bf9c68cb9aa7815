#include "service/budgets.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>

#include "transport/refusal.h"

namespace flash::service {

namespace {

std::int64_t minute_of(Budgets::Clock::time_point time) {
    return std::chrono::floor<std::chrono::minutes>(time).time_since_epoch().count();
}
std::int64_t day_of(Budgets::Clock::time_point time) {
    return std::chrono::floor<std::chrono::days>(time).time_since_epoch().count();
}

/// What counts in the running windows. One that lies in the future, where the clock was set back, still counts: nothing
/// is forgiven by that.
SpentCounts running(SpentCounts counts, std::int64_t minute, std::int64_t day) {
    if (counts.minute < minute) counts.minute = minute, counts.in_minute = 0;
    if (counts.day < day) counts.day = day, counts.in_day = 0;
    return counts;
}

std::optional<Spent> spent(const Tier& tier, const SpentCounts& counts) {
    using TimePoint = Budgets::Clock::time_point;
    if (tier.inferences_per_day > 0 && counts.in_day >= tier.inferences_per_day)
        return Spent{Spent::Window::kDay, tier.inferences_per_day, TimePoint(std::chrono::days(counts.day + 1))};
    if (tier.inferences_per_minute > 0 && counts.in_minute >= tier.inferences_per_minute)
        return Spent{Spent::Window::kMinute, tier.inferences_per_minute,
                     TimePoint(std::chrono::minutes(counts.minute + 1))};
    return std::nullopt;
}

bool is_bounded(const Tier& tier) { return tier.inferences_per_minute > 0 || tier.inferences_per_day > 0; }

}  // namespace

std::string Spent::sentence(std::chrono::system_clock::time_point now) const {
    const auto left = std::max(std::chrono::ceil<std::chrono::seconds>(until - now), std::chrono::seconds(1));
    return transport::come_again(fmt::format("the budget of {} inferences a {} is spent until {:%Y-%m-%d %H:%M:%S} UTC",
                                             budget, window == Window::kDay ? "day" : "minute",
                                             fmt::gmtime(std::chrono::system_clock::to_time_t(until))),
                                 left);
}

std::optional<Budgets::Seat> Budgets::sit(const std::string& key, const Tier& tier) {
    const std::lock_guard lock(mutex_);
    std::uint64_t& taken = seats_[key];
    if (tier.sessions > 0 && taken >= tier.sessions) return std::nullopt;
    ++taken;
    return Seat(*this, key);
}

void Budgets::stand_up(const std::string& key) {
    const std::lock_guard lock(mutex_);
    const auto seat = seats_.find(key);
    if (--seat->second == 0) seats_.erase(seat);  // nothing is kept of whoever is gone
}

std::optional<Spent> Budgets::look(const std::string& key, const Tier& tier, Clock::time_point now) {
    if (!is_bounded(tier)) return std::nullopt;
    return spent(tier, running(store_->read(key), minute_of(now), day_of(now)));
}

std::optional<Spent> Budgets::spend(const std::string& key, const Tier& tier, Clock::time_point now) {
    if (!is_bounded(tier)) return std::nullopt;
    const std::int64_t today = day_of(now);
    if (forgotten_.exchange(today) != today) store_->forget(today);
    std::optional<Spent> left;
    store_->update(key, [&](const SpentCounts& before) -> std::optional<SpentCounts> {
        SpentCounts counts = running(before, minute_of(now), today);
        left = spent(tier, counts);
        if (left) return std::nullopt;
        ++counts.in_minute;
        ++counts.in_day;
        return counts;
    });
    return left;
}

}  // namespace flash::service
