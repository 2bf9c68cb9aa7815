// Blocks of memory that are used again and again: getting megabytes from the system for every ciphertext, and clearing
// them before use, costs as much as a transform or two.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/aligned.h"
#include "base/secret.h"

namespace flash::scheme {

enum class Contents {
    kPublic,
    kSecret,  ///< wiped when a block is given back, before anybody else can get it
    /// Secret, in a pool that belongs to one party of one inference: wiped when the pool and its last block go. Until
    /// then the party has in memory what these secrets were computed from, and nobody else gets the blocks.
    kSecretWork,
};

/// Blocks of one size. Thread-safe; it may be destroyed before its blocks are given back.
template <class T>
class BlockPool {
    static_assert(std::is_trivially_copyable_v<T>);
    using Block = AlignedVector<T>;
    struct Free {
        explicit Free(Contents the_contents) : contents(the_contents) {}
        ~Free() {
            if (contents == Contents::kPublic) return;
            for (Block& block : blocks) wipe(block.data(), block.size() * sizeof(T));
        }
        const Contents contents;
        std::mutex mutex;
        std::vector<Block> blocks;  // always with room for all `made`, so that giving one back needs no memory
        std::size_t made = 0;
    };

public:
    BlockPool(std::size_t size, Contents contents) : size_(size), free_(std::make_shared<Free>(contents)) {}

    /// One block while it is in use. Its contents are what the last user left. Move-only.
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
            if (free_->contents == Contents::kSecret) wipe(block_.data(), block_.size() * sizeof(T));
            const std::lock_guard lock(free_->mutex);
            free_->blocks.push_back(std::move(block_));
        }
        std::span<T> words() { return block_; }
        std::span<const T> words() const { return block_; }
        bool empty() const { return !free_; }

    private:
        friend class BlockPool;
        Lease(std::shared_ptr<Free> free, Block block) : free_(std::move(free)), block_(std::move(block)) {}
        void swap(Lease& other) noexcept {
            free_.swap(other.free_);
            block_.swap(other.block_);
        }

        std::shared_ptr<Free> free_;
        Block block_;
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
            block.resize(size_);
            const std::lock_guard lock(free_->mutex);
            free_->blocks.reserve(free_->made + 1);
            ++free_->made;
        }
        return Lease(free_, std::move(block));
    }

private:
    std::size_t size_;
    std::shared_ptr<Free> free_;
};

using WorkspacePool = BlockPool<std::uint64_t>;

}  // namespace flash::scheme
