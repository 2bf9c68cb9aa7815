#include "transport/visitors.h"

#include <algorithm>
#include <map>
#include <utility>

namespace flash::transport {

void Visitors::forget_the_gone() {
    std::erase_if(visitors_, [](const Key& visitor) { return visitor->connection.expired(); });
}

std::shared_ptr<TlsConnection> Visitors::oldest_without_session() const {
    std::map<std::string, std::size_t> groups;
    for (const Key& visitor : visitors_)
        if (visitor->state != State::kSession) ++groups[visitor->group];
    const auto most = std::ranges::max_element(groups, {}, &decltype(groups)::value_type::second);
    if (most == groups.end()) return nullptr;
    for (const Key& visitor : visitors_)
        if (visitor->state != State::kSession && visitor->group == most->first) return visitor->connection.lock();
    return nullptr;
}

bool Visitors::has_room(const std::string& group) {
    std::shared_ptr<TlsConnection> victim;
    {
        const std::lock_guard lock(mutex_);
        forget_the_gone();
        if (closed_) return false;
        std::size_t of_group = 0, shaking = 0;
        for (const Key& visitor : visitors_) {
            if (visitor->group != group) continue;
            ++of_group;
            shaking += visitor->state == State::kHandshake;
        }
        if (shaking >= limits_.handshakes_per_group || of_group >= limits_.per_group) return false;
        if (visitors_.size() < limits_.all) return true;
        victim = oldest_without_session();
        if (!victim) return false;
        // Its place is free at once; the connection itself goes when its handlers have run.
        std::erase_if(visitors_, [&](const Key& visitor) { return visitor->connection.lock() == victim; });
    }
    victim->abort();
    return true;
}

Visitors::Key Visitors::enter(std::string name, std::string group, const std::shared_ptr<TlsConnection>& connection) {
    auto visitor = std::make_shared<Visitor>(Visitor{std::move(name), std::move(group), State::kHandshake, connection});
    const std::lock_guard lock(mutex_);
    if (closed_) return nullptr;
    visitors_.push_back(visitor);
    return visitor;
}

void Visitors::set_state(const Key& visitor, State state) {
    const std::lock_guard lock(mutex_);
    visitor->state = state;
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
