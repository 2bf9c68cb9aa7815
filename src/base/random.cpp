#include "base/random.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>
#include <vector>

#include "base/crypto.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/siblings.h"
#include "base/stream_observer.h"

namespace flash {

namespace {

std::atomic<StreamObserver*> stream_observer = nullptr;

Sha256 digest_of(const kernels::AesKey& key) { return sha256(std::span(key.bytes).first<32>()); }

}  // namespace

void observe_streams(StreamObserver* observer) { stream_observer = observer; }

// Words are little-endian in the stream; a big-endian machine would have to swap.
static_assert(std::endian::native == std::endian::little);

void StreamKey::derive(std::span<const std::uint8_t> seed, std::string_view domain,
                       std::initializer_list<std::uint64_t> indices) {
    require(domain.find('\0') == std::string_view::npos, ErrorKind::kInternal,
            "the label of a random stream contains a zero byte");
    std::vector<std::uint8_t> message(domain.begin(), domain.end());
    message.push_back(0);
    for (std::uint64_t index : indices)
        for (int i = 0; i < 8; ++i) message.push_back(static_cast<std::uint8_t>(index >> (8 * i)));
    hmac_sha256(seed, message, std::span(key_.bytes).first<32>());
    choose_sibling<decltype(&aes256_expand_portable)>(
        set_, {.portable = aes256_expand_portable, .avx2 = FLASH_X86(kernels::aes256_expand_avx2)})(key_);
}

StreamKey::StreamKey(const SecretSeed& seed, std::string_view domain, std::initializer_list<std::uint64_t> indices,
                     InstructionSet set)
    : key_{},
      set_(set) {
    derive(seed.bytes(), domain, indices);
    if (StreamObserver* const observer = stream_observer) observer->derived(digest_of(key_), domain, true);
}
StreamKey::StreamKey(const PublicSeed& seed, std::string_view domain, std::initializer_list<std::uint64_t> indices,
                     InstructionSet set)
    : key_{},
      set_(set) {
    derive(seed, domain, indices);
    if (StreamObserver* const observer = stream_observer) observer->derived(digest_of(key_), domain, false);
}

Prng StreamKey::stream(std::uint64_t a, std::uint64_t b) const {
    require((a | b) >> 32 == 0, ErrorKind::kInternal, "the index of a random stream is out of range");
    return Prng(*this, a << 32 | b);
}

Prng::Prng(const StreamKey& key, std::uint64_t index) : key_(key.key_), index_(index), set_(key.set_) {
    if (StreamObserver* const observer = stream_observer)
        observer->opened(digest_of(key_), static_cast<std::uint32_t>(index >> 32), static_cast<std::uint32_t>(index));
}
Prng::Prng(const SecretSeed& seed, std::string_view domain, std::initializer_list<std::uint64_t> indices)
    : Prng(StreamKey(seed, domain, indices), 0) {}
Prng::Prng(const PublicSeed& seed, std::string_view domain, std::initializer_list<std::uint64_t> indices)
    : Prng(StreamKey(seed, domain, indices), 0) {}

void Prng::generate(std::uint8_t* out, std::size_t blocks) {
    choose_sibling<decltype(&kernels::aes256_ctr_portable)>(set_, {.portable = kernels::aes256_ctr_portable,
                                                                   .avx2 = FLASH_X86(kernels::aes256_ctr_avx2),
                                                                   .avx512 = FLASH_X86(kernels::aes256_ctr_avx512)})(
        key_, index_, block_, out, blocks);
    block_ += blocks;
}

void Prng::take(std::uint8_t* out, std::size_t size) {
    const std::size_t buffered = std::min(size, kBufferBytes - used_);
    if (buffered) std::memcpy(out, buffer_.data() + used_, buffered);
    used_ += buffered;
    out += buffered;
    size -= buffered;
    if (size >= kBufferBytes) {
        const std::size_t blocks = size / 16;
        generate(out, blocks);
        out += 16 * blocks;
        size -= 16 * blocks;
    }
    if (size) {
        generate(buffer_.data(), kBufferBytes / 16);
        std::memcpy(out, buffer_.data(), size);
        used_ = size;
    }
}

std::uint32_t Prng::u32() {
    std::uint32_t value;
    fill_u32({&value, 1});
    return value;
}
std::uint64_t Prng::u64() {
    std::uint64_t value;
    fill_u64({&value, 1});
    return value;
}

PublicSeed generate_public_seed() {
    PublicSeed seed;
    system_random(seed, RandomUse::kPublic);
    return seed;
}

SecretSeed SecretSeed::generate() {
    SecretSeed seed;
    system_random(seed.bytes_, RandomUse::kSecret);
    return seed;
}

SecretSeed SecretSeed::for_testing(std::uint64_t value) {
    SecretSeed seed;
    std::memcpy(seed.bytes_.data(), &value, sizeof value);
    return seed;
}

}  // namespace flash
