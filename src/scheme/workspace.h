// Blocks of memory that are used again and again: getting megabytes from the system for every ciphertext, and clearing
// them before use, costs as much as a transform or two. Secret blocks are wiped when they are given back, before
// anybody else can get them.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

#include "base/aligned.h"
#include "base/secret.h"
#include "scheme/parameters.h"

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

/// Cuts a block into polynomials.
class Cutter {
public:
    explicit Cutter(std::span<std::uint64_t> words) : rest_(words) {}
    std::span<std::uint64_t> polynomial() { return words(kSlotDegree); }
    /// One polynomial per prime, in the first `count` entries.
    std::array<std::span<std::uint64_t>, kMaxSlotPrimes> residues(std::size_t count) {
        std::array<std::span<std::uint64_t>, kMaxSlotPrimes> result;
        for (std::size_t i = 0; i < count; ++i) result[i] = polynomial();
        return result;
    }
    /// Small coefficients, in kSlotDegree / 8 words.
    std::span<std::int8_t> small() {
        return {reinterpret_cast<std::int8_t*>(words(kSlotDegree / 8).data()), kSlotDegree};
    }
    /// 32-bit values, in kSlotDegree / 2 words.
    std::span<std::uint32_t> slots() {
        return {reinterpret_cast<std::uint32_t*>(words(kSlotDegree / 2).data()), kSlotDegree};
    }

private:
    std::span<std::uint64_t> words(std::size_t count) {
        const auto result = rest_.first(count);
        rest_ = rest_.subspan(count);
        return result;
    }
    std::span<std::uint64_t> rest_;
};

}  // namespace flash::scheme
