// `flash eval`: deployed accuracy by the clear-text twin, and the private protocol against it.
#pragma once

#include <cstdint>
#include <deque>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/profile.h"

namespace flash::app {

struct EvalCommand {
    std::filesystem::path model;
    std::string data;       ///< data SPEC; the test part by default
    std::size_t limit = 0;  ///< images for the twin; 0: all
    std::size_t private_runs = 0;
    std::optional<std::filesystem::path> trace;  ///< where to write trace events of both parties in the private runs
    bool json = false;
    int threads = 0;
};

/// What the private runs showed.
struct PrivateAgreement {
    std::size_t runs = 0;
    std::size_t same_class = 0;           ///< top class equal to the twin's
    double largest_rounding_error = 0;    ///< in units of X over all layers; below 1 plus encryption noise
    double largest_logit_difference = 0;  ///< |private - twin|
    double largest_relative_difference =
        0;  ///< the same over the bound of its picture; at most 1 if rounding explains it
    std::int64_t out_of_range = 0;
    std::vector<std::string> outside;  ///< pictures with such values: their answers are wrong, which is not a defect,
                                       ///< and what is above and below is of the others
    std::int64_t wrong_activations = 0;
    double largest_sine_use =
        0;  ///< largest distance of a sine from its curve, over its bound; 0 if there are no sines
    double mean_seconds = 0;
    std::uint64_t bytes_up = 0, bytes_down = 0;  ///< of one inference
    int round_trips = 0;
    std::deque<Profile> profiles;  ///< of both parties, run by run: client, server, client, ...
};

struct EvalResult {
    std::size_t images = 0, labelled = 0, correct = 0;
    std::int64_t overflows = 0;  ///< values of the twin that left their range
    std::size_t images_with_overflow = 0;
    std::vector<std::string> overflowed;         ///< their names
    std::size_t images_clamped = 0;              ///< with values beyond the model's range of inputs
    std::map<std::string, std::size_t> dropped;  ///< what was left out of pictures' files, and of how many
    double images_per_minute = 0;
    PrivateAgreement agreement;
};

/// Largest rounding error of one truncation, in units, that is accepted as "one unit": 1 and a margin for the
/// encryption noise, which the compiler keeps below half a unit at ten sigma.
inline constexpr double kUnitTolerance = 1.5;

EvalResult evaluate(const EvalCommand& command);
/// Prints the result, and warns where the set does not fit the model. Error(kInternal) if a private run of a picture
/// whose values stay in their ranges was wrong by more than rounding explains.
void run_eval(const EvalCommand& command);

}  // namespace flash::app
