#include "app/models.h"

#include <nlohmann/json.hpp>
#include <span>

#include "base/hash.h"
#include "base/standard_output.h"
#include "base/table.h"
#include "protocol/client_session.h"
#include "transport/tls.h"

namespace flash::app {

void run_models(const ModelsCommand& command) {
    const transport::ClientOptions options = client_options(command);
    const auto token = client_token(command);
    const auto channel = transport::connect_tls(options);
    const std::vector<protocol::ModelEntry> models = protocol::list_models(
        *channel, command.timeout, token ? std::span(token->data(), token->size()) : std::span<const char>());

    if (command.json) {
        nlohmann::json list = nlohmann::json::array();
        for (const protocol::ModelEntry& model : models)
            list.push_back({{"name", model.name},
                            {"version", model.version},
                            {"title", model.title},
                            {"fingerprint", to_hex(model.fingerprint)}});
        print_result("{}\n", list.dump(2));
        return;
    }
    Table table({{"name"}, {"version", Align::kRight}, {"title"}, {"fingerprint"}});
    for (const protocol::ModelEntry& model : models)
        table.add_row({model.name, model.version == 0 ? "" : std::to_string(model.version), model.title,
                       to_hex(model.fingerprint)});
    print_text(table.str());
}

}  // namespace flash::app
