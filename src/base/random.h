// Random bits: AES-256 in counter mode. A key is derived from a seed, a domain label and indices; the streams of one
// key differ in the upper half of the counter block, so that opening one costs nanoseconds:
//
//   key   = HMAC-SHA256(seed, domain || 0 || indices as little-endian 64-bit numbers)
//   block = AES-256(key, a * 2^32 + b as big-endian 64 bits || number of the block, from 0, as big-endian 64 bits)
//
// Two streams with different (domain, indices, a, b) share no input of AES: domains contain no zero byte, so the
// message determines domain and indices; a and b are below 2^32, so the upper half determines both; and no stream
// reaches 2^64 blocks. Secret streams start from the operating system's entropy (SecretSeed::generate); public streams
// (the `a` halves of ciphertexts) start from a public seed that both parties know, so for them all of this belongs to
// the wire format.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string_view>

#include "base/instruction_set.h"
#include "base/kernels/aes_ctr.h"
#include "base/secret.h"

namespace flash {

/// 256-bit public seed; both parties may know it.
using PublicSeed = std::array<std::uint8_t, 32>;

/// Fresh public seed from the operating system.
PublicSeed generate_public_seed();

class StreamKey;

/// Generator of independent uniform bits. Not shared between threads; open one stream per task instead. The bits do not
/// depend on the sizes of the calls that draw them, nor on the instruction set. Wiped on destruction, not copyable.
class Prng {
public:
    /// For one-off uses: StreamKey(seed, domain, indices).stream(0). To open many streams, keep the StreamKey.
    Prng(const SecretSeed& seed, std::string_view domain, std::initializer_list<std::uint64_t> indices = {});
    Prng(const PublicSeed& seed, std::string_view domain, std::initializer_list<std::uint64_t> indices = {});
    ~Prng() { wipe(this, sizeof *this); }
    Prng(const Prng&) = delete;
    Prng& operator=(const Prng&) = delete;

    void fill(std::span<std::uint8_t> out) { take(out.data(), out.size()); }
    /// Fills with uniform words, without a copy but for the ends; the fast path for polynomials.
    void fill_u32(std::span<std::uint32_t> out) { take(reinterpret_cast<std::uint8_t*>(out.data()), out.size_bytes()); }
    void fill_u64(std::span<std::uint64_t> out) { take(reinterpret_cast<std::uint8_t*>(out.data()), out.size_bytes()); }
    std::uint32_t u32();
    std::uint64_t u64();

private:
    friend class StreamKey;
    static constexpr std::size_t kBufferBytes = 512;

    Prng(const StreamKey& key, std::uint64_t index);
    void take(std::uint8_t* out, std::size_t size);
    void generate(std::uint8_t* out, std::size_t blocks);

    kernels::AesKey key_;
    std::array<std::uint8_t, kBufferBytes> buffer_;  // bytes [used_, kBufferBytes) come next in the stream
    std::size_t used_ = kBufferBytes;
    std::uint64_t index_, block_ = 0;
    InstructionSet set_;
};

/// The key of a family of streams: derived once (microseconds), then every stream is opened in nanoseconds. Safe to
/// share between threads; wiped on destruction, not copyable.
class StreamKey {
public:
    /// Error(kInternal) if the domain contains a zero byte. set: the kernels that make the bits; all make the same.
    StreamKey(const SecretSeed& seed, std::string_view domain, std::initializer_list<std::uint64_t> indices = {},
              InstructionSet set = best_instruction_set());
    StreamKey(const PublicSeed& seed, std::string_view domain, std::initializer_list<std::uint64_t> indices = {},
              InstructionSet set = best_instruction_set());
    ~StreamKey() { wipe(&key_, sizeof key_); }
    StreamKey(const StreamKey&) = delete;
    StreamKey& operator=(const StreamKey&) = delete;

    /// Stream (a, b) of this key; a, b < 2^32, else Error(kInternal). Equal arguments give equal streams.
    Prng stream(std::uint64_t a, std::uint64_t b = 0) const;

private:
    friend class Prng;
    void derive(std::span<const std::uint8_t> seed, std::string_view domain,
                std::initializer_list<std::uint64_t> indices);

    kernels::AesKey key_;
    InstructionSet set_;
};

}  // namespace flash
