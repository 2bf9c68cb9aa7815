// What one party did during one inference: spans of time by layer and step, and the bytes that went with them.
//
// A profile holds names, sizes and times, and never secret data: no share, key, seed, weight or pixel may be passed to
// it. Its times are those that the peer and the network can see anyway, as no step's time depends on secrets.
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

/// What a span of time was spent on: a number below 256 whose meaning is the recorder's (protocol/steps.h).
enum class Step : std::uint8_t {};

/// A record of spans. Thread-safe.
class Profile {
public:
    using Clock = std::chrono::steady_clock;
    static constexpr int kNoLayer = -1;

    struct Span {
        int layer = kNoLayer;
        Step step{};
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
/// made within another counts for its own step, and the outer one only for the rest. Without a profile it does
/// nothing.
///
///     ProfileSpan span(profile, layer, step::kLinear);
class ProfileSpan {
public:
    ProfileSpan(Profile* profile, int layer, Step step) : profile_(profile) {
        if (profile_) begin(layer, step);
    }
    ~ProfileSpan() {
        if (profile_) end();
    }
    ProfileSpan(const ProfileSpan&) = delete;
    ProfileSpan& operator=(const ProfileSpan&) = delete;

    void sent(std::uint64_t bytes) { span_.bytes_sent += bytes; }
    void received(std::uint64_t bytes) { span_.bytes_received += bytes; }

private:
    void begin(int layer, Step step);
    void end() noexcept;

    Profile* profile_;
    Profile::Span span_;
};

/// All spans of one layer and step together.
struct ProfileEntry {
    int layer = Profile::kNoLayer;
    Step step{};
    std::size_t spans = 0;
    double seconds = 0;  ///< without the spans nested in them; several threads add up
    std::uint64_t bytes_sent = 0, bytes_received = 0;
};

/// By layer (none first), then step.
std::vector<ProfileEntry> summarise(const Profile& profile);
/// Seconds from the first begin to the last end; 0 for an empty profile.
double wall_seconds(const Profile& profile);

}  // namespace flash
