// Repeated timings of one thing.
#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace flash::comparison {

/// Seconds of each of several runs. The machine may be shared, so that a single run says little: reports give the
/// median, and the smallest and largest beside it.
class Samples {
public:
    void add(double seconds) { seconds_.push_back(seconds); }
    std::size_t size() const { return seconds_.size(); }
    bool empty() const { return seconds_.empty(); }
    /// All three: Error(kInternal) without a sample. The median of an even number is the mean of the middle two.
    double median() const;
    double min() const;
    double max() const;
    /// The usual run took much longer than the fastest: something else was running, and a ratio of medians means
    /// little.
    bool disturbed() const { return median() > 1.3 * min(); }
    const std::vector<double>& seconds() const { return seconds_; }

private:
    std::vector<double> seconds_;
};

/// {"median_s", "min_s", "max_s", "runs_s": [...]}
nlohmann::json to_json(const Samples& samples);

/// How many times longer `ours` takes: {"median", "best", "disturbed"}, of the medians and of the shortest runs. On a
/// busy machine the second is nearer the truth.
nlohmann::json ratio_json(const Samples& ours, const Samples& theirs);
/// The same as "5.45 (5.10)", with a ~ in front where either was disturbed.
std::string ratio_text(const Samples& ours, const Samples& theirs);

/// Median of the seconds of so many calls.
double seconds_per_call(const std::function<void()>& work, int calls);
/// How many calls in a row last about this long; runs the work at least twice, which also warms it up.
int calls_that_last(const std::function<void()>& work, double seconds);

/// Lets the threads of another library go to sleep before something else is timed: those of OpenMP spin for a while
/// after their work.
void let_others_sleep();

/// "12.3 ms": three significant digits in the unit that suits.
std::string human_seconds(double seconds);

}  // namespace flash::comparison
