// HTTP/1.1 as a server speaks it beside the protocol's own frames: questions (GET, HEAD) about its state. Requests are
// parsed by Boost.Beast under limits; there are no bodies, and a connection answers so many requests and no more, one
// after the other: the next only once the peer has taken the answer before.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/secret.h"
#include "transport/byte_session.h"

namespace flash::service {

struct HttpAnswer {
    int status = 200;
    std::string type = "application/json";
    std::string body;
    std::string more_headers{};  ///< lines, each with its end
};
struct HttpRequest {
    std::string path;           ///< without what follows a '?'
    SecretVector<char> bearer;  ///< the token of "Authorization: Bearer TOKEN"; empty: none
};
using HttpSite = std::function<HttpAnswer(const HttpRequest& request)>;

/// Who may go on with WebSocket, at kWebSocketPath.
enum class Upgrade {
    kNobody,
    kAnyPage,   ///< whatever page a browser shows: nothing that a browser adds by itself lets anybody in
    kSameSite,  ///< pages of this host only: a browser would show its user's client certificate for any other page, too
};
inline constexpr const char* kWebSocketPath = "/v2/frames";

class HttpSession final : public transport::ByteSession {
public:
    explicit HttpSession(HttpSite site, Upgrade upgrade = Upgrade::kNobody);
    ~HttpSession() override;
    std::vector<std::uint8_t> take(std::span<const std::uint8_t> bytes) override;
    bool has_more() const override { return has_more_; }
    bool finished() const override { return finished_; }
    bool upgraded() const override { return upgraded_; }

    static constexpr std::size_t kHeaderBytes = 8192;
    static constexpr int kRequests = 100;

private:
    struct Parser;
    void answer(std::vector<std::uint8_t>& out);
    void answer_upgrade(std::vector<std::uint8_t>& out);
    void put(std::vector<std::uint8_t>& out, const HttpAnswer& answer, bool with_body, bool keep_alive);

    const HttpSite site_;
    const Upgrade upgrade_;
    std::unique_ptr<Parser> parser_;
    std::vector<std::uint8_t> unparsed_;
    int requests_ = 0;
    bool has_more_ = false, finished_ = false, upgraded_ = false;
};

}  // namespace flash::service
