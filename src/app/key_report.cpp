#include "app/key_report.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/table.h"
#include "packing/plan.h"

namespace flash::app {

std::string keys_text(const model::Model& model, const planner::KeyBytes& bytes) {
    const std::string saved = with_separators(static_cast<long long>(bytes.saved()));
    const std::size_t keys = packing::make_plan(model.architecture).keys().size();
    if (model.architecture.trust_server)
        return fmt::format("keys: {}, which serve all depths: {}. Keys for each depth would send {} bytes more\n", keys,
                           kTrusting, saved);
    return fmt::format("keys: {}, for each depth its own; uploading values again for them takes {} bytes ({:.1f}%)\n",
                       keys, saved, 100 * bytes.share());
}

nlohmann::json keys_json(const model::Model& model, const planner::KeyBytes& bytes) {
    return {{"trust_server", model.architecture.trust_server},
            {"count", packing::make_plan(model.architecture).keys().size()},
            {"bytes_with_levels", bytes.levelled},
            {"bytes_with_trust", bytes.trusting}};
}

std::string keys_hint(const model::Model& model, const planner::KeyBytes& bytes) {
    if (model.architecture.trust_server || bytes.share() <= kDearKeys) return {};
    return fmt::format(
        "uploading values again for the key of each depth that reads them takes {} of {} bytes ({:.0f}%). "
        "--trust-server spares them, with one key for all depths; the model is then {}, and clients have to accept it "
        "by flash infer --trust-server",
        with_separators(static_cast<long long>(bytes.saved())), with_separators(static_cast<long long>(bytes.levelled)),
        100 * bytes.share(), kTrusting);
}

}  // namespace flash::app
