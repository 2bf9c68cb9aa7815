// Blocks of memory that are used again and again: getting megabytes from the system for every ciphertext, and clearing
// them before use, costs as much as a transform or two. Secret blocks are wiped when they are given back, before
// anybody else can get them.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

#include "base/aligned.h"
#include "base/secret.h"

namespace flash::scheme {

enum class Contents { kPublic, kSecret };

/// Blocks of one size. Thread-safe; it may be destroyed before its blocks are given back.
class WorkspacePool {
    using Block = AlignedVector<std::uint64_t>;
    struct Free {
        std::mutex mutex;
        std::vector<Block> blocks;  // always with room for all `made`, so that giving one back needs no memory
        std::size_t made = 0;
    };

public:
    WorkspacePool(std::size_t words, Contents contents)
        : words_(words),
          contents_(contents),
          free_(std::make_shared<Free>()) {}

    /// One block while it is in use. Its contents are what the last user left (zeros if secret). Move-only.
    class Lease {
    public:
        Lease() = default;
        Lease(Lease&&) noexcept = default;
        Lease& operator=(Lease&& other) noexcept {
            Lease(std::move(other)).swap(*this);
            return *this;
        }
        ~Lease() {
            if (!free_) return;
            if (contents_ == Contents::kSecret) wipe(block_.data(), block_.size() * sizeof(std::uint64_t));
            const std::lock_guard lock(free_->mutex);
            free_->blocks.push_back(std::move(block_));
        }
        std::span<std::uint64_t> words() { return block_; }
        std::span<const std::uint64_t> words() const { return block_; }
        bool empty() const { return !free_; }

    private:
        friend class WorkspacePool;
        Lease(std::shared_ptr<Free> free, Block block, Contents contents)
            : free_(std::move(free)),
              block_(std::move(block)),
              contents_(contents) {}
        void swap(Lease& other) noexcept {
            free_.swap(other.free_);
            block_.swap(other.block_);
            std::swap(contents_, other.contents_);
        }

        std::shared_ptr<Free> free_;
        Block block_;
        Contents contents_ = Contents::kSecret;
    };

    Lease lease() const {
        Block block;
        {
            const std::lock_guard lock(free_->mutex);
            if (!free_->blocks.empty()) {
                block = std::move(free_->blocks.back());
                free_->blocks.pop_back();
            }
        }
        if (block.empty()) {
            block.resize(words_);
            const std::lock_guard lock(free_->mutex);
            free_->blocks.reserve(free_->made + 1);
            ++free_->made;
        }
        return Lease(free_, std::move(block), contents_);
    }

private:
    std::size_t words_;
    Contents contents_;
    std::shared_ptr<Free> free_;
};

}  // namespace flash::scheme
