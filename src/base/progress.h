// A progress bar on the terminal for work that lasts.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <mutex>
#include <string>
#include <string_view>

namespace flash {

/// Shows "label [#####     ] 42%  1,234/2,900  ETA 0:31" on one line. Nothing at all is written unless the stream is a
/// terminal and the work has lasted longer than the delay. All functions may be called from several threads.
class Progress {
public:
    using Clock = std::chrono::steady_clock;
    struct Options {
        std::FILE* out = nullptr;                 ///< null: standard error
        bool force_terminal = false;              ///< draw even where the stream is not a terminal (for tests)
        std::chrono::milliseconds delay{2000};    ///< silence at the start
        std::chrono::milliseconds interval{100};  ///< shortest time between two drawings
    };

    /// total 0: unknown; then only the count and the time passed are shown.
    Progress(std::string_view label, std::uint64_t total);
    Progress(std::string_view label, std::uint64_t total, const Options& options);
    ~Progress();
    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;

    void advance(std::uint64_t steps = 1);
    void set(std::uint64_t done);
    /// Replaces the label, e.g. by the name of the layer that is being worked on.
    void set_label(std::string_view label);
    /// Clears the line, if one was drawn; the destructor does it too. Later calls draw nothing.
    void finish();

    std::uint64_t done() const;

private:
    void draw_if_due();
    std::string line(Clock::time_point now) const;

    mutable std::mutex mutex_;
    std::string label_;
    const std::uint64_t total_;
    std::uint64_t done_ = 0;
    std::FILE* const out_;
    const std::chrono::milliseconds interval_;
    const Clock::time_point start_;
    Clock::time_point next_draw_;
    bool active_;
    bool drawn_ = false;
};

}  // namespace flash
