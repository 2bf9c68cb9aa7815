#include "base/profile.h"

#if defined(__EMSCRIPTEN__)
#include <pthread.h>
#else
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include <algorithm>
#include <map>
#include <utility>

#include "base/error.h"

namespace flash {

namespace {

std::uint64_t this_thread() {
#if defined(__EMSCRIPTEN__)
    return static_cast<std::uint64_t>(pthread_self());  // the same one throughout where a page has no others
#else
    thread_local const auto id = static_cast<std::uint64_t>(::syscall(SYS_gettid));
    return id;
#endif
}

double seconds(Profile::Clock::duration time) { return std::chrono::duration<double>(time).count(); }

/// Time of each span without the spans nested in it, for spans in any order.
std::vector<double> own_seconds(const std::vector<Profile::Span>& spans) {
    std::vector<std::size_t> order(spans.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    // Outer spans before the ones they hold. Of two with the same times, the inner one ended, and was recorded, first.
    std::sort(order.begin(), order.end(), [&](std::size_t i, std::size_t j) {
        const Profile::Span &a = spans[i], &b = spans[j];
        if (a.thread != b.thread) return a.thread < b.thread;
        if (a.begin != b.begin) return a.begin < b.begin;
        if (a.end != b.end) return a.end > b.end;
        return i > j;
    });
    std::vector<double> own(spans.size());
    std::vector<std::size_t> open;
    for (const std::size_t i : order) {
        const Profile::Span& span = spans[i];
        while (!open.empty() && (spans[open.back()].thread != span.thread || spans[open.back()].end < span.end ||
                                 spans[open.back()].end <= span.begin))
            open.pop_back();
        own[i] = seconds(span.end - span.begin);
        if (!open.empty()) own[open.back()] -= own[i];
        open.push_back(i);
    }
    return own;
}

}  // namespace

const char* to_string(Party party) { return party == Party::kClient ? "client" : "server"; }

void Profile::add(const Span& span) {
    const std::lock_guard lock(mutex_);
    spans_.push_back(span);
}

std::vector<Profile::Span> Profile::spans() const {
    const std::lock_guard lock(mutex_);
    return spans_;
}

void ProfileSpan::begin(int layer, Step step) {
    span_.layer = layer;
    span_.step = step;
    span_.thread = this_thread();
    span_.begin = Profile::Clock::now();
}

void ProfileSpan::end() noexcept {
    span_.end = Profile::Clock::now();
    try {
        profile_->add(span_);
    } catch (...) {
        // Out of memory: a gap in a report is better than the end of the inference.
    }
}

std::vector<ProfileEntry> summarise(const Profile& profile) {
    const std::vector<Profile::Span> spans = profile.spans();
    const std::vector<double> own = own_seconds(spans);
    std::map<std::pair<int, Step>, ProfileEntry> entries;
    for (std::size_t i = 0; i < spans.size(); ++i) {
        ProfileEntry& entry = entries[{spans[i].layer, spans[i].step}];
        entry.layer = spans[i].layer;
        entry.step = spans[i].step;
        ++entry.spans;
        entry.seconds += own[i];
        entry.bytes_sent += spans[i].bytes_sent;
        entry.bytes_received += spans[i].bytes_received;
    }
    std::vector<ProfileEntry> out;
    out.reserve(entries.size());
    for (auto& [key, entry] : entries) out.push_back(entry);
    return out;
}

double wall_seconds(const Profile& profile) {
    const std::vector<Profile::Span> spans = profile.spans();
    if (spans.empty()) return 0;
    auto begin = spans.front().begin;
    auto end = spans.front().end;
    for (const Profile::Span& span : spans) {
        begin = std::min(begin, span.begin);
        end = std::max(end, span.end);
    }
    return seconds(end - begin);
}

}  // namespace flash
