#include "base/sha1.h"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <vector>

#include "base/error.h"

namespace flash {

Sha1 sha1_of_file(int descriptor) {
    const auto check = [](int result) {
        require(result == 1, ErrorKind::kInternal, "SHA-1 failed in the cryptographic library");
    };
    const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
    check(context != nullptr && EVP_DigestInit_ex(context.get(), EVP_sha1(), nullptr));
    std::vector<std::uint8_t> buffer(std::size_t{1} << 20);
    for (off_t at = 0;;) {
        const ssize_t count = ::pread(descriptor, buffer.data(), buffer.size(), at);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) throw Error(ErrorKind::kFile, fmt::format("cannot read a file: {}", std::strerror(errno)));
        if (count == 0) break;
        check(EVP_DigestUpdate(context.get(), buffer.data(), static_cast<std::size_t>(count)));
        at += count;
    }
    Sha1 digest;
    check(EVP_DigestFinal_ex(context.get(), digest.data(), nullptr));
    return digest;
}

}  // namespace flash
