// Which chunks of which layers something was done for that is done once only. Thread-safe.
#pragma once

#include <cstddef>
#include <mutex>
#include <vector>

#include "base/error.h"
#include "protocol/activation/activation.h"

namespace flash::protocol {

class ChunkMarks {
public:
    explicit ChunkMarks(const Activation& activation) {
        for (int l = 0; l < activation.layers(); ++l) marked_.emplace_back(activation.chunks(l), false);
    }
    /// Error(kInternal) with this sentence if the layer has no such chunk, or it was marked before.
    void mark(int layer, std::size_t chunk, const char* sentence) {
        const std::lock_guard lock(mutex_);
        std::vector<bool>& chunks = marked_.at(static_cast<std::size_t>(layer));
        require(chunk < chunks.size() && !chunks[chunk], ErrorKind::kInternal, sentence);
        chunks[chunk] = true;
    }

private:
    std::mutex mutex_;
    std::vector<std::vector<bool>> marked_;
};

}  // namespace flash::protocol
