// Timing the plain side fairly: with all threads and with one, whichever is faster.
#pragma once

#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "comparison/plain.h"
#include "comparison/samples.h"

namespace flash::comparison {

/// What was measured; no sample in `seconds` where there is no library.
struct PlainResult {
    Samples seconds;
    std::string algorithm, implementation;
    int threads = 0;
    bool empty() const { return seconds.empty(); }
};

/// The samples with "algorithm", "implementation" and "threads"; null if empty.
nlohmann::json to_json(const PlainResult& result);

/// Small layers are often faster on one thread, and so is everything where other work holds a core: the threads of the
/// library then wait for each other for whole time slices. So both are measured in every run, and the one with the
/// smaller median is the result.
class PlainTimer {
public:
    using Make = std::function<std::unique_ptr<Plain>(const PlainFactory& factory, int threads)>;
    PlainTimer(int threads, const Make& make);
    /// One sample of each variant: the median of calls that last for some milliseconds.
    void run();
    PlainResult result() const;

private:
    struct Variant {
        std::unique_ptr<Plain> plain;
        int threads = 0;
        int calls = 0;
        Samples seconds;
    };
    std::vector<Variant> variants_;  ///< none without a library
};

}  // namespace flash::comparison
