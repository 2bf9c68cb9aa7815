// Feeds arbitrary bytes to the HTTP of a server. The first byte chooses how the rest is cut. Whatever arrives, nothing
// is thrown, and what is answered is an answer; where one piece holds the whole, as many requests are answered as in
// many.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>
#include <vector>

#include "service/http_session.h"

namespace {

using namespace flash::service;

std::string feed(std::span<const std::uint8_t> stream, std::size_t piece) {
    HttpSession session(
        [](const HttpRequest& request) {
            if (request.path.size() > HttpSession::kHeaderBytes) std::abort();
            return HttpAnswer{200, "text/plain", "x"};
        },
        Upgrade::kSameSite);
    std::string answers;
    for (auto rest = stream; !rest.empty() && !session.finished() && !session.upgraded();) {
        const auto now = rest.first(std::min(piece, rest.size()));
        rest = rest.subspan(now.size());
        std::vector<std::uint8_t> out = session.take(now);
        answers.append(out.begin(), out.end());
        while (session.has_more()) {
            if (out.empty()) std::abort();  // it would never end
            out = session.take({});
            answers.append(out.begin(), out.end());
        }
    }
    if (!answers.empty() && !answers.starts_with("HTTP/1.1 ")) std::abort();
    if (session.upgraded() && session.finished()) std::abort();
    return answers;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 1) return 0;
    const std::span<const std::uint8_t> stream(data + 1, size - 1);
    feed(stream, std::max<std::size_t>(1, stream.size()));
    feed(stream, 1 + data[0]);
    return 0;
}
