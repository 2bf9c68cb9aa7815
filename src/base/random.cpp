#include "base/random.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <bit>
#include <cstring>
#include <vector>

#include "base/error.h"

namespace flash {

namespace {

constexpr std::size_t kBufferBytes = 4096;

// HMAC-SHA256 as a key derivation: independent keys for distinct (domain, indices) under one seed.
void derive_key(std::span<const std::uint8_t> seed, std::string_view domain,
                std::initializer_list<std::uint64_t> indices, std::uint8_t key[32]) {
    std::vector<std::uint8_t> message(domain.begin(), domain.end());
    message.push_back(0);
    for (std::uint64_t index : indices)
        for (int i = 0; i < 8; ++i) message.push_back(static_cast<std::uint8_t>(index >> (8 * i)));
    unsigned length = 32;
    if (!HMAC(EVP_sha256(), seed.data(), static_cast<int>(seed.size()), message.data(), message.size(), key, &length))
        throw Error(ErrorKind::kInternal, "HMAC-SHA256 failed in the cryptographic library");
}

}  // namespace

struct Prng::State {
    EVP_CIPHER_CTX* context = nullptr;
    std::size_t used = kBufferBytes;
    std::array<std::uint8_t, kBufferBytes> buffer{};

    State(std::span<const std::uint8_t> seed, std::string_view domain, std::initializer_list<std::uint64_t> indices) {
        std::array<std::uint8_t, 32> key{};
        const std::array<std::uint8_t, 16> counter{};
        derive_key(seed, domain, indices, key.data());
        context = EVP_CIPHER_CTX_new();
        const bool ok =
            context && EVP_EncryptInit_ex(context, EVP_aes_256_ctr(), nullptr, key.data(), counter.data()) == 1;
        OPENSSL_cleanse(key.data(), key.size());
        if (!ok) throw Error(ErrorKind::kInternal, "AES-256-CTR could not be started in the cryptographic library");
    }
    ~State() {
        EVP_CIPHER_CTX_free(context);  // wipes the key schedule
        OPENSSL_cleanse(buffer.data(), buffer.size());
    }
    // The key stream itself: encryption of zeros.
    void stream(std::uint8_t* out, std::size_t size) {
        std::memset(out, 0, size);
        while (size) {
            const int step = static_cast<int>(size < (1u << 30) ? size : (1u << 30));
            int written = 0;
            if (EVP_EncryptUpdate(context, out, &written, out, step) != 1 || written != step)
                throw Error(ErrorKind::kInternal, "AES-256-CTR failed in the cryptographic library");
            out += step;
            size -= static_cast<std::size_t>(step);
        }
    }
    void take(std::uint8_t* out, std::size_t size) {
        while (size) {
            if (used == kBufferBytes) {
                if (size >= kBufferBytes) {
                    const std::size_t whole = size / kBufferBytes * kBufferBytes;
                    stream(out, whole);
                    out += whole;
                    size -= whole;
                    continue;
                }
                stream(buffer.data(), kBufferBytes);
                used = 0;
            }
            const std::size_t step = size < kBufferBytes - used ? size : kBufferBytes - used;
            std::memcpy(out, buffer.data() + used, step);
            used += step;
            out += step;
            size -= step;
        }
    }
};

Prng::Prng(const SecretSeed& seed, std::string_view domain, std::initializer_list<std::uint64_t> indices)
    : state_(std::make_unique<State>(seed.bytes(), domain, indices)) {}
Prng::Prng(const PublicSeed& seed, std::string_view domain, std::initializer_list<std::uint64_t> indices)
    : state_(std::make_unique<State>(seed, domain, indices)) {}
Prng::~Prng() = default;
Prng::Prng(Prng&&) noexcept = default;
Prng& Prng::operator=(Prng&&) noexcept = default;

void Prng::fill(std::span<std::uint8_t> out) { state_->take(out.data(), out.size()); }

// Words are little-endian in the stream; a big-endian machine would have to swap.
static_assert(std::endian::native == std::endian::little);

void Prng::fill_u32(std::span<std::uint32_t> out) {
    state_->take(reinterpret_cast<std::uint8_t*>(out.data()), out.size_bytes());
}
void Prng::fill_u64(std::span<std::uint64_t> out) {
    state_->take(reinterpret_cast<std::uint8_t*>(out.data()), out.size_bytes());
}
std::uint32_t Prng::u32() {
    std::uint32_t value;
    state_->take(reinterpret_cast<std::uint8_t*>(&value), sizeof value);
    return value;
}
std::uint64_t Prng::u64() {
    std::uint64_t value;
    state_->take(reinterpret_cast<std::uint8_t*>(&value), sizeof value);
    return value;
}

std::uint64_t Prng::below(std::uint64_t bound) {
    require(bound > 0 && bound <= (std::uint64_t{1} << 63), ErrorKind::kInternal, "Prng::below: bound out of range");
    const std::uint64_t mask = std::bit_ceil(bound) - 1;
    for (;;) {
        const std::uint64_t value = u64() & mask;
        if (value < bound) return value;
    }
}

PublicSeed generate_public_seed() {
    PublicSeed seed;
    require(RAND_bytes(seed.data(), static_cast<int>(seed.size())) == 1, ErrorKind::kInternal,
            "the operating system gave no random bytes");
    return seed;
}

SecretSeed SecretSeed::generate() {
    SecretSeed seed;
    require(RAND_priv_bytes(seed.bytes_.data(), static_cast<int>(kBytes)) == 1, ErrorKind::kInternal,
            "the operating system gave no random bytes");
    return seed;
}

SecretSeed SecretSeed::for_testing(std::uint64_t value) {
    SecretSeed seed;
    std::memcpy(seed.bytes_.data(), &value, sizeof value);
    return seed;
}

}  // namespace flash
