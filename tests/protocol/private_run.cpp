#include "protocol/private_run.h"

#include <exception>
#include <thread>

#include "model/twin.h"
#include "protocol/server_inference.h"

namespace flash::testing {

protocol::ClientModel client_model(const protocol::PreparedModel& model) {
    return {model.architecture(), model.fingerprint(), model.plan(), model.cost()};
}

PrivateRun run_privately(const protocol::PreparedModel& model, const std::vector<std::int32_t>& input, std::uint64_t client_seed,
                         std::uint64_t server_seed, transport::LoopbackOptions options) {
    auto [client_end, server_end] = transport::make_loopback(std::move(options));
    const model::Twin twin(model.model());
    protocol::Audit audit(model.model(), twin);
    const auto seed = [](std::uint64_t value) {
        return value ? SecretSeed::for_testing(value) : SecretSeed::generate();
    };
    std::exception_ptr server_failure;
    std::thread server([&, end = server_end.get()] {
        try {
            const transport::Message start = end->receive(transport::MessageType::kStart);
            protocol::ServerInference(model, *end, seed(server_seed), &audit.server()).run(start);
        } catch (...) {
            server_failure = std::current_exception();
            end->fail("server failed");
        }
    });
    PrivateRun run;
    std::exception_ptr client_failure;
    const protocol::ClientModel known = client_model(model);
    try {
        protocol::ClientInference client(known, *client_end, seed(client_seed), &audit.client());
        run.client = client.run(input, 0);
    } catch (...) {
        client_failure = std::current_exception();
        client_end->fail("client failed");
    }
    server.join();
    run.traffic = client_end->traffic();
    if (server_failure) std::rethrow_exception(server_failure);
    if (client_failure) std::rethrow_exception(client_failure);
    run.audit = audit.check();
    return run;
}

}  // namespace flash::testing
