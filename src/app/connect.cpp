#include "app/connect.h"

#include "base/error.h"
#include "protocol/messages.h"
#include "service/token.h"

namespace flash::app {

transport::ClientOptions client_options(const ConnectCommand& command) {
    require(!command.pin || !command.ca, ErrorKind::kInvalidArgument,
            "--pin and --ca exclude each other: a pin alone decides");
    require(command.certificate.has_value() == command.own_key.has_value(), ErrorKind::kInvalidArgument,
            "--client-cert and --client-key belong together: give both or neither");
    const transport::Address address = transport::parse_address(command.server);
    transport::ClientOptions options;
    options.host = address.host;
    options.port = address.port;
    options.protocol = protocol::kProtocolName;
    options.pinned_fingerprint = command.pin;
    options.ca_file = command.ca;
    if (command.certificate)
        options.identity = std::make_shared<const transport::Identity>(
            transport::load_identity(*command.certificate, *command.own_key));
    options.timeout = command.timeout;
    options.limits.timeout = command.timeout;
    return options;
}

std::shared_ptr<const SecretVector<char>> client_token(const ConnectCommand& command) {
    if (!command.token) return nullptr;
    return std::make_shared<const SecretVector<char>>(service::read_token(*command.token));
}

}  // namespace flash::app
