// The certificate that `flash serve` shows: the user's own, or a self-signed one that is kept from start to start.
#pragma once

#include <array>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "service/file_stamp.h"
#include "transport/address.h"
#include "transport/certificate.h"

namespace flash::app {

struct IdentityRequest {
    /// Certificate chain and key (PEM): both or neither. Without them a self-signed pair is kept in `directory`.
    std::optional<std::filesystem::path> certificate, key;
    std::filesystem::path directory;  ///< empty: default_state_directory()
    std::vector<std::string> hosts;   ///< that the self-signed certificate must name; empty: this machine
    bool renew = false;               ///< make a new self-signed pair even where the old one is good
};

/// Days before a certificate's end from which on a server warns of it.
inline constexpr int kWarningDays = 30;

/// Reads or makes the identity. Several servers that start at once on one directory agree on one pair: a lock is held
/// while it is looked at. A self-signed pair is made anew, with a warning that clients need the new certificate, if it
/// has expired, if it does not name all of `hosts`, or if `renew` asks for it; never because half of it is missing,
/// which is an Error(kFile). Warns of dates and of a listen address that the certificate does not name.
transport::Identity server_identity(const IdentityRequest& request, const transport::Address& listen);

/// Says what server_identity() would do, and what would make it fail; makes nothing. Error as it.
void check_identity(const IdentityRequest& request, const transport::Address& listen);

/// Tells when the files of a server's identity have changed, as they do when a certificate is renewed.
class IdentityWatch {
public:
    /// Of the files that server_identity() has read or made: to be constructed after it.
    /// client_ca: the authority of clients, if any, which is watched beside them.
    explicit IdentityWatch(const IdentityRequest& request,
                           std::optional<std::filesystem::path> client_ca = std::nullopt);
    /// Since they were read or tried.
    bool has_changed() const;
    /// Whether they are others than those in use.
    bool differs() const;
    /// Reads them again; makes nothing. Error(kFile), and then it has changed only once they change again.
    transport::Identity load();
    /// What load() gave is in use.
    void accept() { seen_ = tried_; }

private:
    using Stamps = std::array<std::optional<service::FileStamp>, 3>;
    Stamps stamps() const;

    std::filesystem::path certificate_, key_;
    std::optional<std::filesystem::path> client_ca_;
    Stamps seen_, tried_;
};

/// Default directory of the self-signed certificate: $XDG_STATE_HOME/flash or ~/.local/state/flash.
std::filesystem::path default_state_directory();

}  // namespace flash::app
