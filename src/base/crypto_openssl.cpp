#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <cstring>
#include <memory>

#include "base/crypto.h"
#include "base/error.h"
#include "base/hash.h"

namespace flash {

namespace {

[[noreturn]] void hash_failed() { throw Error(ErrorKind::kInternal, "SHA-256 failed in the cryptographic library"); }

}  // namespace

struct Sha256Stream::State {
    std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context{EVP_MD_CTX_new(), &EVP_MD_CTX_free};
};

Sha256Stream::Sha256Stream() : state_(std::make_unique<State>()) {
    if (!state_->context || EVP_DigestInit_ex(state_->context.get(), EVP_sha256(), nullptr) != 1) hash_failed();
}

Sha256Stream::~Sha256Stream() = default;

void Sha256Stream::add(std::span<const std::uint8_t> data) {
    if (EVP_DigestUpdate(state_->context.get(), data.data(), data.size()) != 1) hash_failed();
}

Sha256 Sha256Stream::finish() {
    Sha256 out;
    if (EVP_DigestFinal_ex(state_->context.get(), out.data(), nullptr) != 1) hash_failed();
    return out;
}

void hmac_sha256(std::span<const std::uint8_t> key, std::span<const std::uint8_t> message,
                 std::span<std::uint8_t, 32> out) {
    unsigned length = 32;
    require(HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), message.data(), message.size(), out.data(),
                 &length),
            ErrorKind::kInternal, "HMAC-SHA256 failed in the cryptographic library");
}

void system_random(std::span<std::uint8_t> out, RandomUse use) {
    const auto draw = use == RandomUse::kSecret ? RAND_priv_bytes : RAND_bytes;
    require(draw(out.data(), static_cast<int>(out.size())) == 1, ErrorKind::kInternal,
            "the operating system gave no random bytes");
}

void aes256_expand_portable(kernels::AesKey&) {}  // OpenSSL expands keys itself

namespace kernels {

void aes256_ctr_portable(const AesKey& key, std::uint64_t index, std::uint64_t block, std::uint8_t* out,
                         std::size_t blocks) {
    std::uint8_t counter[16];
    for (int i = 0; i < 8; ++i) {
        counter[i] = static_cast<std::uint8_t>(index >> (56 - 8 * i));
        counter[8 + i] = static_cast<std::uint8_t>(block >> (56 - 8 * i));
    }
    // Freeing the context wipes OpenSSL's copy of the key.
    const std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)> context(EVP_CIPHER_CTX_new(),
                                                                                  EVP_CIPHER_CTX_free);
    bool ok = context && EVP_EncryptInit_ex(context.get(), EVP_aes_256_ctr(), nullptr, key.bytes, counter) == 1;
    // The key stream is the encryption of zeros.
    constexpr std::size_t kStep = std::size_t{1} << 30;
    for (std::size_t left = 16 * blocks; ok && left;) {
        const int step = static_cast<int>(left < kStep ? left : kStep);
        int written = 0;
        std::memset(out, 0, static_cast<std::size_t>(step));
        ok = EVP_EncryptUpdate(context.get(), out, &written, out, step) == 1 && written == step;
        out += step;
        left -= static_cast<std::size_t>(step);
    }
    require(ok, ErrorKind::kInternal, "AES-256-CTR failed in the cryptographic library");
}

}  // namespace kernels

}  // namespace flash
