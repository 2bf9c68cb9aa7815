#include "support/private_run.h"

#include <exception>
#include <thread>

#include "model/twin.h"
#include "protocol/server_inference.h"

namespace flash::testing {

protocol::ClientModel client_model(const protocol::PreparedModel& model) {
    return {model.architecture(), model.fingerprint()};
}

namespace {

struct Parties {
    protocol::ShareProbe* client = nullptr;
    protocol::ShareProbe* server = nullptr;
    std::uint64_t client_seed = 0, server_seed = 0;
};

SecretSeed seed_of(std::uint64_t value) { return value ? SecretSeed::for_testing(value) : SecretSeed::generate(); }

protocol::ClientResult run(const protocol::PreparedModel& model, const std::vector<std::int32_t>& input,
                           const Parties& parties, transport::LoopbackOptions options, transport::Traffic* traffic) {
    auto [client_end, server_end] = transport::make_loopback(std::move(options));
    std::exception_ptr server_failure, client_failure;
    std::thread server([&, end = server_end.get()] {
        try {
            const transport::Message start = end->receive(transport::MessageType::kStart);
            protocol::ServerInference(model, *end, seed_of(parties.server_seed), parties.server).run(start);
        } catch (...) {
            server_failure = std::current_exception();
            end->fail("server failed");
        }
    });
    protocol::ClientResult result;
    const protocol::ClientModel known = client_model(model);
    try {
        result =
            protocol::ClientInference(known, *client_end, seed_of(parties.client_seed), parties.client).run(input, 0);
    } catch (...) {
        client_failure = std::current_exception();
        client_end->fail("client failed");
    }
    server.join();
    if (traffic) *traffic = client_end->traffic();
    if (server_failure) std::rethrow_exception(server_failure);
    if (client_failure) std::rethrow_exception(client_failure);
    return result;
}

}  // namespace

PrivateRun run_privately(const SourcedModel& model, const std::vector<std::int32_t>& input, std::uint64_t client_seed,
                         std::uint64_t server_seed, transport::LoopbackOptions options) {
    const model::Twin twin(model.model());
    protocol::Audit audit(model.model(), twin);
    PrivateRun result;
    result.client = run(model, input, {&audit.client(), &audit.server(), client_seed, server_seed}, std::move(options),
                        &result.traffic);
    result.audit = audit.check();
    return result;
}

protocol::ClientResult run_without_audit(const protocol::PreparedModel& model, const std::vector<std::int32_t>& input,
                                         std::uint64_t client_seed, std::uint64_t server_seed,
                                         transport::LoopbackOptions options) {
    return run(model, input, {nullptr, nullptr, client_seed, server_seed}, std::move(options), nullptr);
}

void run_with_probes(const protocol::PreparedModel& model, const std::vector<std::int32_t>& input,
                     protocol::ShareProbe& client, protocol::ShareProbe& server, std::uint64_t client_seed,
                     std::uint64_t server_seed) {
    run(model, input, {&client, &server, client_seed, server_seed}, {}, nullptr);
}

}  // namespace flash::testing
