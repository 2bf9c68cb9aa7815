#include "service/access_control.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "base/table.h"
#include "service/token.h"
#include "transport/refusal.h"

namespace flash::service {

Denied::Denied(const std::string& why) : Error(ErrorKind::kNetwork, transport::denied(why)) {}

Credentials Credentials::of(std::span<const char> token, std::string certificate,
                            std::optional<std::chrono::system_clock::time_point> certificate_end,
                            std::string address_group) {
    Credentials credentials{std::nullopt, std::move(certificate), certificate_end, std::move(address_group)};
    if (!token.empty()) credentials.token = token_hash(token);
    return credentials;
}

bool Caller::may_use(const std::string& model) const {
    return models.empty() || std::ranges::find(models, model) != models.end();
}

AccessControl::AccessControl(AccessSettings settings) : settings_(std::move(settings)) {
    if (!settings_.list) return;
    seen_ = tried_ = stamp_of(*settings_.list);
    list_ = read();
}

std::shared_ptr<const AccessList> AccessControl::read() const {
    auto list = std::make_shared<const AccessList>(AccessList::load(*settings_.list));
    spdlog::info("access list {}: {} accounts{}", printable(settings_.list->string()), list->size(),
                 list->anonymous() ? ", and clients without one" : "");
    return list;
}

std::shared_ptr<const AccessList> AccessControl::current() const {
    const std::lock_guard lock(mutex_);
    return list_;
}

bool AccessControl::restricted() const {
    const auto list = current();
    return list ? !list->anonymous() : settings_.certificates;
}

Caller AccessControl::admit(const Credentials& credentials) const {
    const auto list = current();
    const auto now = std::chrono::system_clock::now();
    const Account* account = nullptr;
    Account of_certificate;
    bool by_certificate = false;  // whatever it sends as a token beside it
    if (list && credentials.token) {
        account = list->by_token(*credentials.token);
        if (!account) throw Denied("this token is not known here");
    } else if (list && !credentials.certificate.empty()) {
        account = list->by_certificate(credentials.certificate);
        by_certificate = true;
    } else if (!list && settings_.certificates && !credentials.certificate.empty()) {
        of_certificate.name = credentials.certificate;
        of_certificate.tier = settings_.strangers;
        account = &of_certificate;
        by_certificate = true;
    }
    if (account && by_certificate && credentials.certificate_end && now >= *credentials.certificate_end)
        throw Denied(fmt::format("the client certificate ended on {:%Y-%m-%d %H:%M:%S} UTC",
                                 fmt::gmtime(std::chrono::system_clock::to_time_t(*credentials.certificate_end))));
    if (account) {
        if (account->has_expired(now))
            throw Denied(fmt::format("the account {} ended on {:%Y-%m-%d}", account->name,
                                     fmt::gmtime(std::chrono::system_clock::to_time_t(*account->expires))));
        return {account->name, "account " + account->name, account->tier, account->models};
    }
    if (restricted())
        throw Denied(credentials.certificate.empty() ? "it asks for a token or a client certificate"
                                                     : "this client certificate has no account here");
    return {"", "address " + credentials.address_group, settings_.strangers, {}};
}

bool AccessControl::has_changed() const {
    if (!settings_.list) return false;
    const auto stamp = stamp_of(*settings_.list);
    return stamp != seen_ && stamp != tried_;
}

void AccessControl::reload() {
    if (!settings_.list) return;
    const auto stamp = stamp_of(*settings_.list);
    if (stamp == seen_) return;
    tried_ = stamp;
    try {
        auto list = read();
        const std::lock_guard lock(mutex_);
        list_ = std::move(list);
        seen_ = stamp;
    } catch (const std::exception& problem) {
        spdlog::error("{}; the access list that was read before stays", printable(problem.what()));
    }
}

}  // namespace flash::service
