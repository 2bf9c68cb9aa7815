// Who may ask for inferences, and how much: accounts with their tokens and client certificates, and the tiers that say
// what an account may spend. Read from a JSON file (docs/operations.md).
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash.h"

namespace flash::service {

/// Bounds for one account, or for one address where clients have no account. 0: none.
struct Tier {
    std::uint64_t sessions = 0;  ///< at a time
    std::uint64_t inferences_per_minute = 0, inferences_per_day = 0;
    bool operator==(const Tier&) const = default;
};

struct Account {
    std::string name;  ///< letters, digits, '.', '_', '-': it stands in logs
    Tier tier;
    std::vector<std::string> models;  ///< names that it may use; empty: all
    std::optional<std::chrono::system_clock::time_point> expires;

    bool may_use(const std::string& model) const;
    bool has_expired(std::chrono::system_clock::time_point now) const { return expires && now >= *expires; }
};

class AccessList {
public:
    /// Error(kFile) says what is wrong. A name that the format does not have is an error: a slip in "expires" must not
    /// make an account that never ends.
    static AccessList parse(std::string_view json);
    static AccessList load(const std::filesystem::path& file);

    /// Null if no account has it. Compares with all of them, each in constant time.
    const Account* by_token(const Sha256& hash) const;
    /// By the common name of a client certificate, whose signature has been checked.
    const Account* by_certificate(std::string_view common_name) const;
    /// Whether clients are let in who show neither.
    bool anonymous() const { return anonymous_; }
    std::size_t size() const { return accounts_.size(); }

private:
    struct Token {
        Sha256 hash;
        std::size_t account;
    };
    struct Certificate {
        std::string common_name;
        std::size_t account;
    };
    std::vector<Account> accounts_;
    std::vector<Token> tokens_;
    std::vector<Certificate> certificates_;
    bool anonymous_ = false;

    friend class AccessListReader;
};

}  // namespace flash::service
