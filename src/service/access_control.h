// Decides at the door who a client is and what it may: by its token, its certificate, or neither. Cheap, since
// strangers may ask at any rate: one hash and comparisons.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>

#include "base/error.h"
#include "service/access_list.h"
#include "service/file_stamp.h"

namespace flash::service {

struct AccessSettings {
    std::optional<std::filesystem::path> list;  ///< the access list; none: nobody needs an account
    bool certificates = false;  ///< clients may show one; without a list each that is good is an account
    Tier strangers;             ///< of each address whose clients have no account
};

/// A client is not let in. Its sentence says what to do about it, and that asking again is of no use.
class Denied : public Error {
public:
    explicit Denied(const std::string& why);
};

/// What a client shows.
struct Credentials {
    std::optional<Sha256> token;  ///< token_hash of what it sent; set also where that is no token
    std::string certificate;      ///< common name of its checked certificate; empty: none
    /// When that ends: TLS has looked at it once, and a session may be longer.
    std::optional<std::chrono::system_clock::time_point> certificate_end;
    std::string address_group;  ///< transport::address_group

    static Credentials of(std::span<const char> token, std::string certificate,
                          std::optional<std::chrono::system_clock::time_point> certificate_end,
                          std::string address_group);
};

/// Who a client is.
struct Caller {
    std::string name;  ///< of its account; empty: none
    std::string key;   ///< that its budgets are kept under: the account's or the address's
    Tier tier;
    std::vector<std::string> models;  ///< as Account::models

    bool may_use(const std::string& model) const;
};

/// Thread-safe; reload() and has_changed() by one thread.
class AccessControl {
public:
    /// Reads the list. Error(kFile) if that cannot be used.
    explicit AccessControl(AccessSettings settings);

    /// Denied if it is not let in. To be asked again before each inference: the list may have changed.
    Caller admit(const Credentials& credentials) const;
    /// Whether there are clients that are not let in.
    bool restricted() const;

    /// Reads the list again if the file is another one than that in use; a list that cannot be used is a line in the
    /// log, and the old one stays, until the next call reads it again: why it failed may have passed.
    void reload();
    /// Since it was read or tried.
    bool has_changed() const;

private:
    std::shared_ptr<const AccessList> current() const;
    std::shared_ptr<const AccessList> read() const;

    const AccessSettings settings_;
    std::optional<FileStamp> seen_;   // of the file when what is in use was read
    std::optional<FileStamp> tried_;  // when it was read last, in vain or not
    mutable std::mutex mutex_;
    std::shared_ptr<const AccessList> list_;
};

}  // namespace flash::service
