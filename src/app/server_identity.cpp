#include "app/server_identity.h"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/file.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>

#include "base/descriptor.h"
#include "base/error.h"
#include "base/table.h"
#include "transport/certificate_facts.h"

namespace flash::app {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::system_clock;

std::string day(Clock::time_point time) { return fmt::format("{:%Y-%m-%d}", fmt::gmtime(Clock::to_time_t(time))); }

bool any_address(const std::string& host) { return host.empty() || host == "0.0.0.0" || host == "::"; }

void warn_of_dates(const fs::path& file, const transport::CertificateFacts& facts, const char* remedy) {
    const auto now = Clock::now();
    const std::string name = printable(file.string());
    if (now < facts.begins)
        spdlog::warn("certificate {} is valid only from {} on: is this machine's clock right?", name,
                     day(facts.begins));
    else if (now >= facts.ends)
        spdlog::warn("certificate {} expired on {}: clients that check it refuse it; {}", name, day(facts.ends),
                     remedy);
    else if (facts.ends - now < std::chrono::days(kWarningDays))
        spdlog::warn("certificate {} expires on {}; {}", name, day(facts.ends), remedy);
}

/// The hosts of a self-signed certificate: those asked for, or this machine and the address that is listened on.
std::vector<std::string> hosts_of(const IdentityRequest& request, const transport::Address& listen) {
    if (!request.hosts.empty()) return request.hosts;
    std::vector<std::string> hosts{"localhost", "127.0.0.1", "::1"};
    if (!any_address(listen.host) && std::ranges::find(hosts, listen.host) == hosts.end()) hosts.push_back(listen.host);
    return hosts;
}

/// Why the pair that is there does not do; empty if it does.
std::string shortcoming(const IdentityRequest& request, const transport::Identity& identity,
                        const transport::CertificateFacts& facts) {
    if (request.renew) return "--renew-certificate asks for a new one";
    if (Clock::now() >= facts.ends) return "it expired on " + day(facts.ends);
    for (const std::string& host : request.hosts)
        if (!transport::names_host(identity.certificate_pem, host)) return "it does not name " + host;
    return {};
}

/// Held while the directory's pair is looked at or made. A directory that cannot be written to, such as one of a
/// read-only image, needs no lock: nobody makes a pair there.
class DirectoryLock {
public:
    explicit DirectoryLock(const fs::path& directory)
        : file_(::open((directory / "server.lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)) {
        while (file_.get() >= 0 && ::flock(file_.get(), LOCK_EX) != 0 && errno == EINTR) {}
    }

private:
    Descriptor file_;  // closing it gives the lock back
};

/// The self-signed pair that is kept from start to start.
struct KeptPair {
    fs::path directory, certificate, key;
    bool is_there = false;

    /// Error(kFile) if half of it is missing: to be asked with the directory locked.
    void look() {
        std::error_code error;
        is_there = fs::exists(certificate, error);
        if (is_there == fs::exists(key, error)) return;
        throw Error(
            ErrorKind::kFile,
            fmt::format("there is {} but not {}: put it back, or remove the other one too to have a new pair made "
                        "(clients then need the new certificate)",
                        (is_there ? certificate : key).string(), (is_there ? key : certificate).string()));
    }
};

KeptPair pair_of(const IdentityRequest& request) {
    const fs::path directory = request.directory.empty() ? default_state_directory() : request.directory;
    return {directory, directory / "server.crt", directory / "server.key"};
}

transport::Identity kept_identity(const IdentityRequest& request, const transport::Address& listen) {
    KeptPair pair = pair_of(request);
    std::error_code error;
    fs::create_directories(pair.directory, error);
    if (error)
        throw Error(ErrorKind::kFile, fmt::format("cannot create {}: {}", pair.directory.string(), error.message()));
    const DirectoryLock lock(pair.directory);
    pair.look();
    const auto& [directory, certificate, key, has_certificate] = pair;
    std::vector<std::string> hosts = hosts_of(request, listen);
    std::string before, why;
    if (has_certificate) {
        transport::Identity identity = transport::load_identity(certificate, key);
        const transport::CertificateFacts facts = transport::certificate_facts(identity.certificate_pem);
        why = shortcoming(request, identity, facts);
        if (why.empty()) {
            warn_of_dates(certificate, facts, "start with --renew-certificate for a new one");
            if (!any_address(listen.host) && !transport::names_host(identity.certificate_pem, listen.host))
                spdlog::warn(
                    "certificate {} does not name {}: clients that connect to that refuse it unless they pin it; "
                    "start with --host {} for one that does",
                    printable(certificate.string()), printable(listen.host), printable(listen.host));
            return identity;
        }
        before = transport::fingerprint(identity);
        // A new certificate names what the old one did: nobody who connected by one of those names is turned away.
        for (const std::string& host : facts.hosts)
            if (std::ranges::find(hosts, host) == hosts.end()) hosts.push_back(host);
    }
    transport::Identity identity = transport::make_self_signed(hosts);
    transport::save_identity(identity, certificate, key);
    if (before.empty())
        spdlog::info("made a self-signed certificate: {}", printable(certificate.string()));
    else
        spdlog::warn(
            "made a new self-signed certificate {} because {}: clients need the new file for --ca, or "
            "--pin {} instead of {}",
            printable(certificate.string()), printable(why), transport::fingerprint(identity), before);
    return identity;
}

}  // namespace

std::filesystem::path default_state_directory() {
    if (const char* state = std::getenv("XDG_STATE_HOME"); state && *state) return fs::path(state) / "flash";
    if (const char* home = std::getenv("HOME"); home && *home) return fs::path(home) / ".local/state/flash";
    throw Error(ErrorKind::kInvalidArgument,
                "no home directory for the server's certificate; give --cert-dir or --cert and --key");
}

transport::Identity server_identity(const IdentityRequest& request, const transport::Address& listen) {
    if (request.certificate.has_value() != request.key.has_value())
        throw Error(ErrorKind::kInvalidArgument, "--cert and --key belong together: give both or neither");
    if (!request.certificate) return kept_identity(request, listen);
    if (!request.hosts.empty() || request.renew)
        throw Error(ErrorKind::kInvalidArgument,
                    "--host and --renew-certificate are for a self-signed certificate; --cert and --key give another");
    transport::Identity identity = transport::load_identity(*request.certificate, *request.key);
    warn_of_dates(*request.certificate, transport::certificate_facts(identity.certificate_pem),
                  "ask whoever issued it for a new one");
    return identity;
}

void check_identity(const IdentityRequest& request, const transport::Address& listen) {
    if (request.certificate || request.key) {
        server_identity(request, listen);
        return;
    }
    KeptPair pair = pair_of(request);
    pair.look();
    std::string why = "there is none";
    if (pair.is_there) {
        const transport::Identity identity = transport::load_identity(pair.certificate, pair.key);
        const auto facts = transport::certificate_facts(identity.certificate_pem);
        warn_of_dates(pair.certificate, facts, "start with --renew-certificate for a new one");
        why = shortcoming(request, identity, facts);
    }
    if (!why.empty())
        spdlog::info("a self-signed certificate will be made in {} at the start: {}",
                     printable(pair.directory.string()), printable(why));
}

IdentityWatch::IdentityWatch(const IdentityRequest& request, std::optional<fs::path> client_ca)
    : client_ca_(std::move(client_ca)) {
    if (request.certificate && request.key) {
        certificate_ = *request.certificate;
        key_ = *request.key;
    } else {
        const fs::path directory = request.directory.empty() ? default_state_directory() : request.directory;
        certificate_ = directory / "server.crt";
        key_ = directory / "server.key";
    }
    seen_ = tried_ = stamps();
}

IdentityWatch::Stamps IdentityWatch::stamps() const {
    return {service::stamp_of(certificate_), service::stamp_of(key_),
            client_ca_ ? service::stamp_of(*client_ca_) : std::nullopt};
}

bool IdentityWatch::has_changed() const {
    const Stamps now = stamps();
    return now != seen_ && now != tried_;
}

bool IdentityWatch::differs() const { return stamps() != seen_; }

transport::Identity IdentityWatch::load() {
    tried_ = stamps();
    transport::Identity identity = transport::load_identity(certificate_, key_);
    warn_of_dates(certificate_, transport::certificate_facts(identity.certificate_pem), "a newer one is needed");
    return identity;
}

}  // namespace flash::app
