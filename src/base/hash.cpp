#include "base/hash.h"

#include <openssl/evp.h>

#include "base/error.h"

namespace flash {

namespace {

class Digest {
public:
    Digest() : context_(EVP_MD_CTX_new()) {
        if (!context_ || EVP_DigestInit_ex(context_, EVP_sha256(), nullptr) != 1) fail();
    }
    ~Digest() { EVP_MD_CTX_free(context_); }
    Digest(const Digest&) = delete;
    Digest& operator=(const Digest&) = delete;
    void add(std::span<const std::uint8_t> data) {
        if (EVP_DigestUpdate(context_, data.data(), data.size()) != 1) fail();
    }
    Sha256 finish() {
        Sha256 out;
        if (EVP_DigestFinal_ex(context_, out.data(), nullptr) != 1) fail();
        return out;
    }

private:
    [[noreturn]] static void fail() { throw Error(ErrorKind::kInternal, "SHA-256 failed in the cryptographic library"); }
    EVP_MD_CTX* context_;
};

}  // namespace

Sha256 sha256(std::span<const std::uint8_t> data) {
    Digest digest;
    digest.add(data);
    return digest.finish();
}

Sha256 sha256_parts(std::initializer_list<std::span<const std::uint8_t>> parts) {
    Digest digest;
    for (const auto& part : parts) {
        std::array<std::uint8_t, 8> length;
        for (int i = 0; i < 8; ++i) length[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(part.size() >> (8 * i));
        digest.add(length);
        digest.add(part);
    }
    return digest.finish();
}

std::string to_hex(std::span<const std::uint8_t> bytes) {
    static constexpr char kDigits[] = "0123456789abcdef";
    std::string out;
    out.reserve(bytes.size() * 2);
    for (std::uint8_t byte : bytes) {
        out.push_back(kDigits[byte >> 4]);
        out.push_back(kDigits[byte & 15]);
    }
    return out;
}

}  // namespace flash
