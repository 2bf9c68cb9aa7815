// Arrays of slots in one block of memory, in which a party's factors are made where the scheme reads them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace flash::protocol {

class SlotArrays {
public:
    /// count arrays of `values` entries, and what is left of the block.
    SlotArrays(std::span<std::uint32_t> block, std::size_t values, std::size_t count)
        : block_(block),
          values_(values),
          count_(count) {}
    std::span<std::uint32_t> operator[](std::size_t index) const { return block_.subspan(index * values_, values_); }
    std::span<std::uint32_t> rest() const { return block_.subspan(count_ * values_); }

private:
    std::span<std::uint32_t> block_;
    std::size_t values_, count_;
};

}  // namespace flash::protocol
