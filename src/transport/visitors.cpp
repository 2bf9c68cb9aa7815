#include "transport/visitors.h"

#include <algorithm>
#include <map>
#include <utility>

#include "transport/refusal.h"

namespace flash::transport {

void Visitors::forget_the_gone() {
    std::erase_if(visitors_, [](const Key& visitor) { return visitor->connection.expired(); });
}

template <class Holds>
std::pair<Visitors::Key, std::size_t> Visitors::oldest_of_most(Holds holds) const {
    std::map<std::string, std::size_t> groups;
    std::size_t most = 0;
    for (const Key& visitor : visitors_)
        if (holds(visitor)) most = std::max(most, ++groups[visitor->group]);
    const auto found = std::ranges::find_if(
        visitors_, [&](const Key& visitor) { return holds(visitor) && groups.at(visitor->group) == most; });
    return {found == visitors_.end() ? nullptr : *found, most};
}

bool Visitors::has_room_in_group(const std::string& group) const {
    std::size_t of_group = 0, shaking = 0;
    for (const Key& visitor : visitors_) {
        if (!is_stranger(visitor) || visitor->group != group) continue;
        ++of_group;
        shaking += visitor->state == State::kHandshake;
    }
    return shaking < limits_.handshakes_per_group && of_group < limits_.strangers_per_group;
}

bool Visitors::has_room(const std::string& group, bool of_proxy) {
    std::shared_ptr<TlsConnection> victim;
    {
        const std::lock_guard lock(mutex_);
        forget_the_gone();
        if (closed_ || (!of_proxy && !has_room_in_group(group))) return false;
        const auto strangers = static_cast<std::size_t>(std::ranges::count_if(visitors_, is_stranger));
        if (strangers < limits_.strangers) return true;
        const Key oldest = oldest_of_most(is_stranger).first;
        if (!oldest) return false;
        victim = oldest->connection.lock();
        // Its place is free at once; the connection itself goes when its handlers have run.
        std::erase(visitors_, oldest);
        ++gave_way_;
    }
    if (victim) victim->abort();
    return true;
}

Visitors::Key Visitors::enter(std::string name, std::string group, const std::shared_ptr<TlsConnection>& connection) {
    auto visitor = std::make_shared<Visitor>(Visitor{std::move(name), std::move(group), State::kHandshake, connection});
    const std::lock_guard lock(mutex_);
    if (closed_) return nullptr;
    visitors_.push_back(visitor);
    return visitor;
}

bool Visitors::tell(const Key& visitor, std::string name, std::string group) {
    const std::lock_guard lock(mutex_);
    if (!has_room_in_group(group)) return false;
    visitor->name = std::move(name);
    visitor->group = std::move(group);
    return true;
}

void Visitors::end_handshake(const Key& visitor) {
    const std::lock_guard lock(mutex_);
    visitor->state = State::kAsking;
}

std::string Visitors::take_place(const Key& visitor) {
    std::shared_ptr<TlsConnection> victim;
    {
        const std::lock_guard lock(mutex_);
        std::size_t taken = 0, of_group = 0;
        for (const Key& other : visitors_) {
            if (is_stranger(other)) continue;
            ++taken;
            of_group += other->group == visitor->group;
        }
        if (of_group >= limits_.places_per_group && taken < limits_.places)
            return "it already serves " + std::to_string(of_group) + " clients from this address";
        if (taken >= limits_.places) {
            const auto [oldest, most] = oldest_of_most([](const Key& other) { return other->state == State::kPlaced; });
            if (!oldest || most <= of_group + 1) return "it already serves " + std::to_string(taken) + " clients";
            oldest->state = State::kAsking;
            ++gave_way_;
            victim = oldest->connection.lock();
        }
        visitor->state = State::kPlaced;
    }
    if (victim)
        victim->fail(busy("the place of this session, which had shown no work, was needed", limits_.retry_after));
    return {};
}

bool Visitors::keep_place(const Key& visitor) {
    const std::lock_guard lock(mutex_);
    if (!is_stranger(visitor)) visitor->state = State::kKept;
    return visitor->state == State::kKept;
}

void Visitors::leave_place(const Key& visitor) {
    const std::lock_guard lock(mutex_);
    visitor->state = State::kAsking;
}

std::size_t Visitors::places_taken() const {
    const std::lock_guard lock(mutex_);
    return static_cast<std::size_t>(
        std::ranges::count_if(visitors_, [](const Key& visitor) { return !is_stranger(visitor); }));
}

std::uint64_t Visitors::gave_way() const {
    const std::lock_guard lock(mutex_);
    return gave_way_;
}

std::vector<std::shared_ptr<TlsConnection>> Visitors::close_doors() {
    std::vector<std::shared_ptr<TlsConnection>> there;
    const std::lock_guard lock(mutex_);
    closed_ = true;
    for (const Key& visitor : visitors_)
        if (auto connection = visitor->connection.lock()) there.push_back(std::move(connection));
    return there;
}

}  // namespace flash::transport
