#include "base/portable_sha256.h"

#include <algorithm>

#include "base/kernels/sha256.h"

namespace flash {

void PortableSha256::add(std::span<const std::uint8_t> data) {
    const auto filled = static_cast<std::size_t>(bytes_ % kBlock);
    bytes_ += data.size();
    if (filled > 0) {
        const std::size_t count = std::min(kBlock - filled, data.size());
        std::ranges::copy(data.first(count), block_.begin() + static_cast<std::ptrdiff_t>(filled));
        data = data.subspan(count);
        if (filled + count < kBlock) return;
        kernels::sha256_blocks(state_.data(), block_.data(), 1);
    }
    kernels::sha256_blocks(state_.data(), data.data(), data.size() / kBlock);
    std::ranges::copy(data.subspan(data.size() / kBlock * kBlock), block_.begin());
}

std::array<std::uint8_t, 32> PortableSha256::finish() {
    const std::uint64_t bits = 8 * bytes_;
    // One bit, zeros up to 8 bytes before the end of a block, and the length.
    std::array<std::uint8_t, kBlock + 8> end{0x80};
    const std::size_t zeros = (2 * kBlock - 9 - bytes_ % kBlock) % kBlock;
    for (std::size_t i = 0; i < 8; ++i) end[1 + zeros + i] = static_cast<std::uint8_t>(bits >> (56 - 8 * i));
    add(std::span(end).first(zeros + 9));
    std::array<std::uint8_t, 32> out{};
    for (std::size_t i = 0; i < out.size(); ++i)
        out[i] = static_cast<std::uint8_t>(state_[i / 4] >> (24 - 8 * (i % 4)));
    return out;
}

void portable_hmac_sha256(std::span<const std::uint8_t> key, std::span<const std::uint8_t> message,
                          std::span<std::uint8_t, 32> out) {
    SecretBuffer<std::uint8_t> pad(64);
    std::ranges::fill(pad, std::uint8_t{0});
    if (key.size() > pad.size()) {
        PortableSha256 digest;
        digest.add(key);
        std::array<std::uint8_t, 32> short_key = digest.finish();
        std::ranges::copy(short_key, pad.begin());
        wipe(short_key.data(), short_key.size());
    } else {
        std::ranges::copy(key, pad.begin());
    }
    constexpr std::uint8_t kInner = 0x36, kOuter = 0x5c;
    for (std::uint8_t& byte : pad) byte ^= kInner;
    PortableSha256 inner, outer;
    inner.add(pad);
    inner.add(message);
    std::array<std::uint8_t, 32> digest = inner.finish();
    for (std::uint8_t& byte : pad) byte ^= kInner ^ kOuter;
    outer.add(pad);
    outer.add(digest);
    wipe(digest.data(), digest.size());
    // Keys are derived so: no copy of one stays on the stack. (Initialised by the call, so there is no other object.)
    std::array<std::uint8_t, 32> code = outer.finish();
    std::ranges::copy(code, out.begin());
    wipe(code.data(), code.size());
}

}  // namespace flash
