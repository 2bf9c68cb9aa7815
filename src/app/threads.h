// How many threads a command computes with.
#pragma once

#include <tbb/global_control.h>

#include <memory>

namespace flash::app {

/// Limits oneTBB to this many threads while the object lives; 0 leaves the default (all cores of the process).
inline std::unique_ptr<tbb::global_control> limit_threads(int threads) {
    if (threads <= 0) return nullptr;
    return std::make_unique<tbb::global_control>(tbb::global_control::max_allowed_parallelism,
                                                 static_cast<std::size_t>(threads));
}

}  // namespace flash::app
