#include "protocol/client_policy.h"

#include <string>
#include <vector>

#include "base/error.h"

namespace flash::protocol {

namespace {

void check(bool condition, const std::string& sentence) {
    if (!condition) throw Error(ErrorKind::kUnsupported, sentence);
}

}  // namespace

void check_policy(const ClientModel& model, const ClientPolicy& policy) {
    const packing::Plan& plan = model.plan;
    check(policy.trust_server || !model.architecture.trust_server,
          "the server's model has one key for all depths: it is private from a server that follows the protocol only "
          "(semi-honest, and assuming circular security). Nothing of the input was sent. Whoever trusts this server so "
          "far says --trust-server");
    check(!policy.large_ring_only || plan.degrees() == std::vector<std::size_t>{model::kDefaultDegree},
          "the server's model has uploads in the small ring, and the client accepts the large one only; nothing of the "
          "input was sent");
    const std::size_t keys = plan.keys().size();
    check(keys <= kMaxKeys, "the server's model asks for " + std::to_string(keys) + " keys; at most " +
                                std::to_string(kMaxKeys) + " are accepted");
    const std::int64_t results = model.architecture.output_shape().size();
    check(results <= kMaxResults, "the server's model has " + std::to_string(results) + " results; at most " +
                                      std::to_string(kMaxResults) + " are accepted");
    const std::uint64_t bytes = model.cost.up() + model.cost.down();
    check(bytes <= kMaxInferenceBytes, "an inference of the server's model takes " + std::to_string(bytes >> 20) +
                                           " MiB; at most " + std::to_string(kMaxInferenceBytes >> 20) +
                                           " are accepted");
}

}  // namespace flash::protocol
