#include "support/private_run.h"

#include "model/twin.h"
#include "protocol/local_parties.h"

namespace flash::testing {

namespace {

SecretSeed seed_of(std::uint64_t value) { return value ? SecretSeed::for_testing(value) : SecretSeed::generate(); }

protocol::LocalResult run(const protocol::PreparedModel& model, const std::vector<std::int32_t>& input,
                          protocol::ShareProbe* client, protocol::ShareProbe* server, std::uint64_t client_seed,
                          std::uint64_t server_seed, transport::LoopbackOptions options) {
    return protocol::run_local(model, protocol::client_model(model), input,
                               {.client_seed = seed_of(client_seed),
                                .server_seed = seed_of(server_seed),
                                .client_probe = client,
                                .server_probe = server,
                                .connection = std::move(options)});
}

}  // namespace

PrivateRun run_privately(const SourcedModel& model, const std::vector<std::int32_t>& input, std::uint64_t client_seed,
                         std::uint64_t server_seed, transport::LoopbackOptions options) {
    const model::Twin twin(model.model());
    protocol::Audit audit(model.model(), twin);
    PrivateRun result;
    protocol::LocalResult run_result =
        run(model, input, &audit.client(), &audit.server(), client_seed, server_seed, std::move(options));
    result.client = std::move(run_result.client);
    result.traffic = run_result.traffic;
    result.audit = audit.check();
    return result;
}

protocol::ClientResult run_without_audit(const protocol::PreparedModel& model, const std::vector<std::int32_t>& input,
                                         std::uint64_t client_seed, std::uint64_t server_seed,
                                         transport::LoopbackOptions options) {
    return run(model, input, nullptr, nullptr, client_seed, server_seed, std::move(options)).client;
}

void run_with_probes(const protocol::PreparedModel& model, const std::vector<std::int32_t>& input,
                     protocol::ShareProbe& client, protocol::ShareProbe& server, std::uint64_t client_seed,
                     std::uint64_t server_seed) {
    run(model, input, &client, &server, client_seed, server_seed, {});
}

}  // namespace flash::testing
