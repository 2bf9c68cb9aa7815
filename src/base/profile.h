// What one party did during one inference: spans of time by layer and phase, and the bytes that went with them.
//
// A profile holds names, sizes and times, and never secret data: no share, key, seed, weight or pixel may be passed to
// it. Its times are those that the peer and the network can see anyway, as no phase's time depends on secrets.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

namespace flash {

/// Who recorded a profile.
enum class Party : std::uint8_t { kClient, kServer };
const char* to_string(Party party);

/// What a span of time was spent on. In the order in which reports list them.
enum class Phase : std::uint8_t {
    kSetup,           ///< both: keys and the first exchange
    kShare,           ///< client: drawing its share of the next activation
    kEncrypt,         ///< client: packing and encrypting an upload
    kSend,            ///< both: handing messages to the channel
    kWaitUpload,      ///< server: until an upload has arrived
    kLinear,          ///< server: adding its share and the linear layer itself
    kMask,            ///< server: masking and packing the result
    kWaitLinear,      ///< client: until a linear response has arrived
    kDecrypt,         ///< client: of linear responses; server: of product responses, with the end of the activation
    kActivationKeys,  ///< server: encrypting E1, E2, E3
    kPrepare,         ///< client: of the masked product, what does not depend on the server's answer
    kWaitKeys,        ///< client: until activation keys have arrived
    kRespond,         ///< client: the masked product
    kWaitProduct,     ///< server: until a product response has arrived
    kFinish,          ///< both: the result share and the end
};
inline constexpr int kPhases = 15;
/// Short lower-case words, e.g. "wait linear".
const char* to_string(Phase phase);
/// Whether the phase is nothing but waiting for the peer.
bool is_waiting(Phase phase);

/// A record of spans. Thread-safe.
class Profile {
public:
    using Clock = std::chrono::steady_clock;
    static constexpr int kNoLayer = -1;

    struct Span {
        int layer = kNoLayer;
        Phase phase{};
        std::uint64_t thread = 0;  ///< the system's number of the thread
        Clock::time_point begin, end;
        std::uint64_t bytes_sent = 0, bytes_received = 0;  ///< frames with headers, before TLS
    };

    explicit Profile(Party party) : party_(party) {}
    Profile(const Profile&) = delete;
    Profile& operator=(const Profile&) = delete;

    Party party() const { return party_; }
    void add(const Span& span);
    /// In the order in which they ended.
    std::vector<Span> spans() const;

private:
    const Party party_;
    mutable std::mutex mutex_;
    std::vector<Span> spans_;
};

/// Records the time from its construction to its destruction, on one thread. Spans of one thread must nest: one that is
/// made within another counts for its own phase, and the outer one only for the rest. Without a profile it does
/// nothing.
///
///     ProfileSpan span(profile, layer, Phase::kLinear);
class ProfileSpan {
public:
    ProfileSpan(Profile* profile, int layer, Phase phase) : profile_(profile) {
        if (profile_) begin(layer, phase);
    }
    ~ProfileSpan() {
        if (profile_) end();
    }
    ProfileSpan(const ProfileSpan&) = delete;
    ProfileSpan& operator=(const ProfileSpan&) = delete;

    void sent(std::uint64_t bytes) { span_.bytes_sent += bytes; }
    void received(std::uint64_t bytes) { span_.bytes_received += bytes; }

private:
    void begin(int layer, Phase phase);
    void end() noexcept;

    Profile* profile_;
    Profile::Span span_;
};

/// All spans of one layer and phase together.
struct ProfileEntry {
    int layer = Profile::kNoLayer;
    Phase phase{};
    std::size_t spans = 0;
    double seconds = 0;  ///< without the spans nested in them; several threads add up
    std::uint64_t bytes_sent = 0, bytes_received = 0;
};

/// By layer (none first), then phase.
std::vector<ProfileEntry> summarise(const Profile& profile);
/// Seconds from the first begin to the last end; 0 for an empty profile.
double wall_seconds(const Profile& profile);

}  // namespace flash
