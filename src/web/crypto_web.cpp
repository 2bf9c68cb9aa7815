// base/crypto.h on a web page: own hashes and AES, and random bits from crypto.getRandomValues, which browsers and
// Node.js seed from the operating system.
#include <emscripten/em_js.h>
#include <emscripten/emscripten.h>

#include <algorithm>

#include "base/crypto.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/portable_sha256.h"

// At most 65536 bytes in one call; not into memory that threads share, so by way of a copy.
EM_JS(int, flash_random, (void* out, int size), {
    try {
        const bytes = new Uint8Array(size);
        globalThis.crypto.getRandomValues(bytes);
        HEAPU8.set(bytes, out);
        bytes.fill(0);
        return 1;
    } catch (error) {
        return 0;
    }
});

namespace flash {

struct Sha256Stream::State {
    PortableSha256 digest;
};

Sha256Stream::Sha256Stream() : state_(std::make_unique<State>()) {}
Sha256Stream::~Sha256Stream() = default;
void Sha256Stream::add(std::span<const std::uint8_t> data) { state_->digest.add(data); }
Sha256 Sha256Stream::finish() { return state_->digest.finish(); }

void hmac_sha256(std::span<const std::uint8_t> key, std::span<const std::uint8_t> message,
                 std::span<std::uint8_t, 32> out) {
    portable_hmac_sha256(key, message, out);
}

void system_random(std::span<std::uint8_t> out, RandomUse) {
    constexpr std::size_t kMost = 65536;
    for (std::size_t at = 0; at < out.size(); at += kMost)
        require(flash_random(out.data() + at, static_cast<int>(std::min(kMost, out.size() - at))) == 1,
                ErrorKind::kInternal, "crypto.getRandomValues gave no random bytes");
}

void aes256_expand_portable(kernels::AesKey& key) { kernels::aes256_expand_bitsliced(key); }

namespace kernels {

void aes256_ctr_portable(const AesKey& key, std::uint64_t index, std::uint64_t block, std::uint8_t* out,
                         std::size_t blocks) {
    aes256_ctr_bitsliced(key, index, block, out, blocks);
}

}  // namespace kernels

}  // namespace flash
