// The key stream of AES-256 in counter mode (NIST SP 800-38A): block i of a call is the encryption of the 128-bit
// counter (index, block + i), both halves big-endian 64-bit numbers, so that it equals what OpenSSL returns for the
// initial counter block (index, block) as long as the lower half does not wrap.
#pragma once

#include <cstddef>
#include <cstdint>

namespace flash::kernels {

/// An AES-256 key, expanded to the 15 round keys of FIPS 197 by aes256_expand_*. The first 32 bytes are the key itself,
/// which is all that OpenSSL's kernel reads. Secret if the key is; its owner wipes it.
struct alignas(64) AesKey {
    std::uint8_t bytes[240];
};

/// Completes a key whose first 32 bytes are set; needed by the kernel of the same name and those after it. All complete
/// it alike.
void aes256_expand_bitsliced(AesKey& key);
void aes256_expand_avx2(AesKey& key);

/// out: 16 * blocks bytes. Every variant gives the same bytes, in time that depends on blocks only.
/// That of base/crypto.h: OpenSSL's, which sets up a context in every call (Error(kInternal) if it fails), or where
/// there is no OpenSSL the next one.
void aes256_ctr_portable(const AesKey& key, std::uint64_t index, std::uint64_t block, std::uint8_t* out,
                         std::size_t blocks);
/// Without tables, eight blocks at a time: of 16-byte vectors where the compiler has them.
void aes256_ctr_bitsliced(const AesKey& key, std::uint64_t index, std::uint64_t block, std::uint8_t* out,
                          std::size_t blocks);
/// AES-NI, eight blocks at a time.
void aes256_ctr_avx2(const AesKey& key, std::uint64_t index, std::uint64_t block, std::uint8_t* out,
                     std::size_t blocks);
/// VAES, thirty-two blocks at a time.
void aes256_ctr_avx512(const AesKey& key, std::uint64_t index, std::uint64_t block, std::uint8_t* out,
                       std::size_t blocks);

}  // namespace flash::kernels
