#include "protocol/local_parties.h"

#include <exception>
#include <thread>

#include "protocol/flow/failure.h"
#include "protocol/message_types.h"
#include "protocol/server_inference.h"
#include "protocol/session_limits.h"

namespace flash::protocol {

namespace {

/// Whether it is the peer's sentence.
bool is_report(const std::exception_ptr& failure) {
    try {
        std::rethrow_exception(failure);
    } catch (const Error& error) {
        return error.kind() == ErrorKind::kRemote;
    } catch (...) {
        return false;
    }
}

}  // namespace

ClientModel client_model(const PreparedModel& model) {
    return {model.architecture(), model.fingerprint(), model.shared_activation(), model.epoch()};
}

LocalResult run_local(const PreparedModel& model, const ClientModel& known, std::span<const std::int32_t> input,
                      LocalParties parties) {
    const std::chrono::milliseconds timeout = parties.connection.limits.timeout;
    auto [client_end, server_end] = transport::make_loopback(std::move(parties.connection));
    client_end->set_limits(client_limits(known, timeout));
    server_end->set_limits(server_limits(model.cost(), timeout));
    std::exception_ptr server_failure, client_failure;
    std::thread server([&, end = server_end.get()] {
        try {
            const transport::Message start = end->receive(message_type::kStart);
            ServerInference(model, *end, std::move(parties.server_seed), parties.server_probe, parties.server_profile,
                            known.session)
                .run(start);
        } catch (...) {
            server_failure = std::current_exception();
            end->fail(failure_sentence(Party::kServer));
        }
    });
    LocalResult result;
    try {
        result.client = ClientInference(known, *client_end, std::move(parties.client_seed), parties.client_probe,
                                        parties.client_profile, parties.client_ahead)
                            .run(input, 0);
    } catch (...) {
        client_failure = std::current_exception();
        client_end->fail(failure_sentence(Party::kClient));
    }
    server.join();
    result.traffic = client_end->traffic();
    // What one party only heard of from the other explains less than what happened there.
    if (server_failure && !(client_failure && is_report(server_failure))) std::rethrow_exception(server_failure);
    if (client_failure) std::rethrow_exception(client_failure);
    return result;
}

}  // namespace flash::protocol
