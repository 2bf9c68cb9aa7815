#include <openssl/evp.h>

#include <cstring>
#include <memory>

#include "base/error.h"
#include "base/kernels/aes_ctr.h"

namespace flash::kernels {

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

}  // namespace flash::kernels
