#include "service/access_list.h"

#include <fmt/format.h>
#include <openssl/crypto.h>

#include <algorithm>
#include <ctime>
#include <initializer_list>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "base/table.h"
#include "service/model_name.h"

namespace flash::service {

namespace {

using Json = nlohmann::json;

constexpr std::uint64_t kMaxFileBytes = std::uint64_t{16} << 20;
constexpr std::size_t kMaxTokens = 20'000;  // by_token() looks at all of them

[[noreturn]] void fail(const std::string& what) { throw Error(ErrorKind::kFile, "access list: " + what); }

void check_names(const Json& object, const std::string& where, std::initializer_list<std::string_view> known) {
    if (!object.is_object()) fail(where + " has to be an object");
    for (const auto& [name, value] : object.items())
        if (std::ranges::find(known, name) == known.end())
            fail(fmt::format("{} has no \"{}\"", where, printable(name)));
}

std::vector<std::string> texts(const Json& object, const char* name, const std::string& where) {
    std::vector<std::string> all;
    const auto found = object.find(name);
    if (found == object.end()) return all;
    if (!found->is_array()) fail(fmt::format("\"{}\" of {} has to be a list", name, where));
    for (const Json& item : *found) {
        if (!item.is_string()) fail(fmt::format("\"{}\" of {} has to hold texts", name, where));
        all.push_back(item.get<std::string>());
    }
    return all;
}

std::uint64_t number(const Json& object, const char* name, const std::string& where) {
    const auto found = object.find(name);
    if (found == object.end()) return 0;
    if (!found->is_number_unsigned() || found->get<std::uint64_t>() == 0)
        fail(fmt::format("\"{}\" of {} has to be a whole number from 1 on", name, where));
    return found->get<std::uint64_t>();
}

/// "2027-01-31", the beginning of that day, or "2027-01-31T12:00:00Z".
std::chrono::system_clock::time_point time_of(const std::string& text, const std::string& where) {
    for (const char* form : {"%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ"}) {
        std::tm time{};
        const char* end = ::strptime(text.c_str(), form, &time);
        if (end == nullptr || end != text.c_str() + text.size()) continue;
        std::tm same = time;  // timegm would make a date of the 31st of February
        const std::time_t seconds = ::timegm(&same);
        // Nanoseconds in 64 bits end in 2262; beyond, a date would come out as another.
        const int year = time.tm_year + 1900;
        if (year < 2000 || year > 2200)
            fail(
                fmt::format("\"expires\" of {} has to lie between 2000 and 2200; leave it out for an account that does "
                            "not end",
                            where));
        if (same.tm_mday == time.tm_mday && same.tm_mon == time.tm_mon)
            return std::chrono::system_clock::from_time_t(seconds);
    }
    fail(fmt::format("\"expires\" of {} has to be a date, as in \"2027-01-31\" or \"2027-01-31T12:00:00Z\"", where));
}

}  // namespace

class AccessListReader {
public:
    AccessList read(const Json& json) {
        check_names(json, "the file", {"tiers", "accounts", "anonymous"});
        if (json.contains("anonymous")) {
            if (!json["anonymous"].is_boolean()) fail("\"anonymous\" has to be true or false");
            list_.anonymous_ = json["anonymous"].get<bool>();
        }
        if (json.contains("tiers")) read_tiers(json["tiers"]);
        if (json.contains("accounts")) {
            if (!json["accounts"].is_array()) fail("\"accounts\" has to be a list");
            for (const Json& account : json["accounts"]) read_account(account);
        }
        if (list_.tokens_.size() > kMaxTokens) fail(fmt::format("at most {} tokens", kMaxTokens));
        std::vector<Sha256> hashes;
        for (const AccessList::Token& token : list_.tokens_) hashes.push_back(token.hash);
        std::ranges::sort(hashes);
        if (std::ranges::adjacent_find(hashes) != hashes.end()) fail("a token is there twice");
        return std::move(list_);
    }

private:
    void read_tiers(const Json& tiers) {
        if (!tiers.is_object()) fail("\"tiers\" has to be an object");
        for (const auto& [name, tier] : tiers.items()) {
            const std::string where = "tier " + printable(name);
            check_names(tier, where, {"sessions", "inferences_per_minute", "inferences_per_day"});
            tiers_[name] = {number(tier, "sessions", where), number(tier, "inferences_per_minute", where),
                            number(tier, "inferences_per_day", where)};
        }
    }
    void read_account(const Json& json) {
        if (!json.is_object() || !json.contains("name") || !json["name"].is_string() ||
            !is_model_name(json["name"].get<std::string>()))
            fail("each account needs a \"name\" of letters, digits, '.', '_' and '-'");
        Account account;
        account.name = json["name"].get<std::string>();
        const std::string where = "account " + account.name;
        check_names(json, where, {"name", "tier", "tokens", "certificates", "models", "expires"});
        if (!names_.insert(account.name).second) fail(where + " is there twice");
        if (json.contains("tier")) {
            const auto tier = json["tier"].is_string() ? tiers_.find(json["tier"].get<std::string>()) : tiers_.end();
            if (tier == tiers_.end()) fail("the tier of " + where + " is none of \"tiers\"");
            account.tier = tier->second;
        }
        account.models = texts(json, "models", where);
        if (json.contains("models") && account.models.empty()) fail("\"models\" of " + where + " is empty");
        for (const std::string& model : account.models)
            if (!is_model_name(model)) fail(fmt::format("\"{}\" of {} names no model", printable(model), where));
        if (json.contains("expires")) {
            if (!json["expires"].is_string()) fail("\"expires\" of " + where + " has to be a text");
            account.expires = time_of(json["expires"].get<std::string>(), where);
        }
        const std::size_t index = list_.accounts_.size();
        list_.accounts_.push_back(std::move(account));
        for (const std::string& digits : texts(json, "tokens", where)) {
            Sha256 hash{};
            if (!from_hex(digits, hash))
                fail("a token of " + where +
                     " has to be its SHA-256 of 64 hexadecimal digits, as `flash token` prints it");
            list_.tokens_.push_back({hash, index});
        }
        for (std::string& name : texts(json, "certificates", where)) {
            if (list_.by_certificate(name)) fail(fmt::format("certificate {} is there twice", printable(name)));
            list_.certificates_.push_back({std::move(name), index});
        }
    }

    AccessList list_;
    std::map<std::string, Tier> tiers_;
    std::set<std::string> names_;
};

bool Account::may_use(const std::string& model) const {
    return models.empty() || std::ranges::find(models, model) != models.end();
}

AccessList AccessList::parse(std::string_view json) {
    Json parsed = Json::parse(json, nullptr, false);
    if (parsed.is_discarded()) fail("it is not JSON");
    return AccessListReader().read(parsed);
}

AccessList AccessList::load(const std::filesystem::path& file) {
    const std::vector<std::uint8_t> content = read_file(file.string(), kMaxFileBytes);
    try {
        return parse({reinterpret_cast<const char*>(content.data()), content.size()});
    } catch (const Error& error) {
        throw Error(error.kind(), file.string() + ": " + error.what());
    }
}

const Account* AccessList::by_token(const Sha256& hash) const {
    // Which entry it is, or that there is none, shows in no time but that of what follows.
    std::size_t found = accounts_.size();
    for (const Token& token : tokens_) {
        const auto differs = static_cast<std::size_t>(CRYPTO_memcmp(token.hash.data(), hash.data(), hash.size()) != 0);
        const std::size_t mask = differs - 1;  // all ones where they are the same
        found = (found & ~mask) | (token.account & mask);
    }
    return found < accounts_.size() ? &accounts_[found] : nullptr;
}

const Account* AccessList::by_certificate(std::string_view common_name) const {
    const auto found = std::ranges::find(certificates_, common_name, &Certificate::common_name);
    return found != certificates_.end() ? &accounts_[found->account] : nullptr;
}

}  // namespace flash::service
