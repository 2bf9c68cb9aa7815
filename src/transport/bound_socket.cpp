#include "transport/bound_socket.h"

#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/ip/v6_only.hpp>
#include <string>

#include "base/error.h"

namespace flash::transport {

using asio::ip::tcp;

struct BoundSocket::Socket {
    asio::io_context io;
    tcp::acceptor acceptor{io};
};

BoundSocket::BoundSocket(const Address& address) : socket_(std::make_unique<Socket>()) {
    const auto check = [&](const asio::error_code& code) {
        if (code) throw Error(ErrorKind::kNetwork, "cannot listen on " + to_string(address) + ": " + code.message());
    };
    tcp::acceptor& acceptor = socket_->acceptor;
    asio::error_code code;
    tcp::endpoint endpoint(tcp::v6(), address.port);
    if (!address.host.empty()) {
        tcp::resolver resolver(socket_->io);
        const auto found = resolver.resolve(address.host, std::to_string(address.port),
                                            tcp::resolver::passive | tcp::resolver::numeric_service, code);
        check(code);
        endpoint = found.begin()->endpoint();
    }
    acceptor.open(endpoint.protocol(), code);
    if (code && address.host.empty()) {
        endpoint = tcp::endpoint(tcp::v4(), address.port);  // a machine without IPv6
        acceptor.open(endpoint.protocol(), code);
    }
    check(code);
    acceptor.set_option(tcp::acceptor::reuse_address(true), code);
    if (address.host.empty() && endpoint.protocol() == tcp::v6()) acceptor.set_option(asio::ip::v6_only(false), code);
    acceptor.bind(endpoint, code);
    check(code);
    acceptor.listen(asio::socket_base::max_listen_connections, code);
    check(code);
    const auto bound = acceptor.local_endpoint(code);
    check(code);
    address_ = {bound.address().to_string(), bound.port()};
    ipv6_ = endpoint.protocol() == tcp::v6();
}

BoundSocket::~BoundSocket() = default;

int BoundSocket::release() {
    require(socket_ != nullptr, ErrorKind::kInternal, "a bound socket was used twice");
    asio::error_code code;
    const int descriptor = socket_->acceptor.release(code);
    if (code) throw Error(ErrorKind::kNetwork, "cannot listen on " + to_string(address_) + ": " + code.message());
    socket_.reset();
    return descriptor;
}

}  // namespace flash::transport
