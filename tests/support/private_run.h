// Runs both parties of one inference in this process over a loopback channel.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "protocol/audit.h"
#include "protocol/local_parties.h"
#include "protocol/prepared_model.h"
#include "transport/loopback.h"

namespace flash::testing {

/// A prepared model and what it was made from, which an audit needs.
class SourcedModel : public protocol::PreparedModel {
public:
    /// activation: null for that of make_activation().
    explicit SourcedModel(model::Model source, std::shared_ptr<const protocol::Activation> activation = nullptr)
        : PreparedModel(model::Model(source), {}, std::nullopt, lattice::kTransformBudget, std::move(activation)),
          source_(std::move(source)) {}
    const model::Model& model() const { return source_; }

private:
    model::Model source_;
};

struct PrivateRun {
    protocol::ClientResult client;
    transport::Traffic traffic;  ///< as the client saw it
    protocol::AuditReport audit;
};

/// seeds: 0 for fresh ones from the operating system.
PrivateRun run_privately(const SourcedModel& model, const std::vector<std::int32_t>& input,
                         std::uint64_t client_seed = 0, std::uint64_t server_seed = 0,
                         transport::LoopbackOptions options = {});

/// The same without recording any share: nothing but the parties themselves ever holds one.
protocol::ClientResult run_without_audit(const protocol::PreparedModel& model, const std::vector<std::int32_t>& input,
                                         std::uint64_t client_seed, std::uint64_t server_seed,
                                         transport::LoopbackOptions options = {});

/// The same with probes of the caller's.
void run_with_probes(const protocol::PreparedModel& model, const std::vector<std::int32_t>& input,
                     protocol::ShareProbe& client, protocol::ShareProbe& server, std::uint64_t client_seed = 0,
                     std::uint64_t server_seed = 0);

}  // namespace flash::testing
