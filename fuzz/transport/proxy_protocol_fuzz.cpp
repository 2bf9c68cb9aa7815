// Feeds arbitrary bytes to the reader of PROXY protocol headers: whatever comes, it asks for a bounded number of bytes,
// and ends with a header or an Error.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "base/error.h"
#include "transport/proxy_protocol.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using flash::transport::ProxyHeader;
    ProxyHeader header;
    std::span<const std::uint8_t> rest(data, size);
    try {
        while (!header.complete() && !rest.empty()) {
            const auto wanted = header.wanted();
            if (wanted.empty() || wanted.size() > ProxyHeader::kMostBytes) std::abort();
            const std::size_t now = std::min(wanted.size(), rest.size());
            std::copy_n(rest.begin(), now, wanted.begin());
            rest = rest.subspan(now);
            header.took(now);
        }
    } catch (const flash::Error& error) {
        if (error.kind() != flash::ErrorKind::kProtocol) std::abort();
    }
    if (header.source() && header.source()->host.empty()) std::abort();
    return 0;
}
