// A window on the streams of random bits for tests: which were opened, not what is in them. Nobody else sets it.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/hash.h"

namespace flash {

class StreamObserver {
public:
    virtual ~StreamObserver() = default;
    /// A key of streams was derived from a seed. key: its digest.
    virtual void derived(const Sha256& key, std::string_view domain, bool from_secret_seed) = 0;
    /// One of its streams was opened: index (a, b).
    virtual void opened(const Sha256& key, std::uint32_t a, std::uint32_t b) = 0;
};

/// Null: nobody. Not while other threads open streams. The observer is called from many threads.
void observe_streams(StreamObserver* observer);

}  // namespace flash
