#include "base/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>

#include "base/table.h"

namespace flash {
namespace {

constexpr std::uint64_t kBarWidth = 24;
constexpr const char* kClearLine = "\r\033[K";

std::string clock_time(double seconds) {
    const auto whole = std::llround(seconds);
    if (whole >= 3600) return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
    return fmt::format("{}:{:02}", whole / 60, whole % 60);
}

}  // namespace

Progress::Progress(std::string_view label, std::uint64_t total) : Progress(label, total, Options{}) {}

Progress::Progress(std::string_view label, std::uint64_t total, const Options& options)
    : label_(printable(label)),
      total_(total),
      out_(options.out != nullptr ? options.out : stderr),
      interval_(options.interval),
      start_(Clock::now()),
      next_draw_(start_ + options.delay),
      active_(options.force_terminal || isatty(fileno(out_)) == 1) {}

Progress::~Progress() { finish(); }

void Progress::advance(std::uint64_t steps) {
    const std::lock_guard lock(mutex_);
    done_ += steps;
    draw_if_due();
}

void Progress::set(std::uint64_t done) {
    const std::lock_guard lock(mutex_);
    done_ = done;
    draw_if_due();
}

void Progress::set_label(std::string_view label) {
    const std::lock_guard lock(mutex_);
    label_ = printable(label);
    draw_if_due();
}

void Progress::finish() {
    const std::lock_guard lock(mutex_);
    if (drawn_) {
        std::fputs(kClearLine, out_);
        std::fflush(out_);
    }
    drawn_ = false;
    active_ = false;
}

std::uint64_t Progress::done() const {
    const std::lock_guard lock(mutex_);
    return done_;
}

void Progress::draw_if_due() {
    if (!active_) return;
    const Clock::time_point now = Clock::now();
    if (now < next_draw_) return;
    next_draw_ = now + interval_;
    const std::string text = fmt::format("{}{}", kClearLine, line(now));
    std::fputs(text.c_str(), out_);
    std::fflush(out_);
    drawn_ = true;
}

std::string Progress::line(Clock::time_point now) const {
    const double passed = std::chrono::duration<double>(now - start_).count();
    if (total_ == 0)
        return fmt::format("{}  {}  {}", label_, with_separators(static_cast<long long>(done_)), clock_time(passed));
    const std::uint64_t done = std::min(done_, total_);
    const double part = static_cast<double>(done) / static_cast<double>(total_);
    const auto filled = static_cast<std::size_t>(part * static_cast<double>(kBarWidth));
    std::string text = fmt::format(
        "{} [{}{}] {:3.0f}%  {}/{}", label_, std::string(filled, '#'), std::string(kBarWidth - filled, ' '), 100 * part,
        with_separators(static_cast<long long>(done)), with_separators(static_cast<long long>(total_)));
    if (done > 0) text += fmt::format("  ETA {}", clock_time(passed * (1 - part) / part));
    return text;
}

}  // namespace flash
