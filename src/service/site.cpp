#include "service/site.h"

#include <nlohmann/json.hpp>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/hash.h"
#include "base/json_text.h"
#include "base/version.h"
#include "service/model_store.h"
#include "service/web_files.h"

namespace flash::service {

namespace {

using Json = nlohmann::ordered_json;

HttpAnswer json(int status, const Json& body) { return {status, "application/json", json_text(body) + "\n"}; }

HttpAnswer not_found() { return json(404, {{"error", "there is nothing of this name"}}); }

std::vector<std::string> split(std::string_view path) {
    std::vector<std::string> parts;
    while (!path.empty()) {
        const std::size_t slash = path.find('/');
        if (slash != 0) parts.emplace_back(path.substr(0, slash));
        path = slash == std::string_view::npos ? std::string_view() : path.substr(slash + 1);
    }
    return parts;
}

Json describe(const ModelStore& models, const ServedModel& model) {
    const model::Architecture& architecture = model.prepared->architecture();
    Json versions = Json::array();
    for (const ServedModelPtr& other : models.list())
        if (other->name == model.name) versions.push_back(std::to_string(other->version));
    const model::Shape& input = architecture.input;
    const model::Shape& output = architecture.layers.back().output;
    return {{"name", model.name},
            {"versions", versions},
            {"platform", "flash"},
            {"inputs",
             {{{"name", "picture"}, {"datatype", "FP32"}, {"shape", {1, input.channels, input.height, input.width}}}}},
            {"outputs", {{{"name", "logits"}, {"datatype", "FP32"}, {"shape", {1, output.size()}}}}},
            {"parameters",
             {{"title", architecture.name},
              {"version", std::to_string(model.version)},
              {"fingerprint", to_hex(model.prepared->fingerprint())}}}};
}

HttpAnswer answer_models(const SiteSources& sources, const ModelStore::MayUse& may_use, std::vector<std::string> rest) {
    if (rest.empty()) {
        Json list = Json::array();
        for (const ServedModelPtr& model : sources.models.list(may_use))
            list.push_back({{"name", model->name},
                            {"version", std::to_string(model->version)},
                            {"state", "READY"},
                            {"fingerprint", to_hex(model->prepared->fingerprint())}});
        return json(200, {{"models", list}});
    }
    std::string reference = rest.front();
    rest.erase(rest.begin());
    if (rest.size() >= 2 && rest[0] == "versions") {
        reference += "/" + rest[1];
        rest.erase(rest.begin(), rest.begin() + 2);
    }
    try {
        const ServedModelPtr model = sources.models.find(reference, may_use);
        if (rest.empty()) return json(200, describe(sources.models, *model));
        if (rest == std::vector<std::string>{"ready"}) {
            const bool ready = sources.ready();
            return json(ready ? 200 : 503, {{"name", model->name}, {"ready", ready}});
        }
    } catch (const Error&) {  // no such model
    }
    return not_found();
}

}  // namespace

HttpAnswer answer_site(const SiteSources& sources, const HttpRequest& request) {
    const std::string& path = request.path;
    std::vector<std::string> parts = split(path);
    if (path == "/metrics" && sources.metrics) return {200, "text/plain; version=0.0.4", sources.metrics()};
    if (parts.empty() || parts[0] != "v2") return sources.web ? sources.web->answer(path) : not_found();
    parts.erase(parts.begin());
    if (parts.empty()) return json(200, {{"name", "flash"}, {"version", kVersion}, {"extensions", Json::array()}});
    if (parts[0] == "models") {
        ModelStore::MayUse may_use;
        try {
            if (sources.admit)
                may_use = [caller = sources.admit(std::span(request.bearer.data(), request.bearer.size()))](
                              const std::string& name) { return caller.may_use(name); };
        } catch (const Denied& denied) {
            return json(401, {{"error", denied.what()}});
        }
        return answer_models(sources, may_use, {parts.begin() + 1, parts.end()});
    }
    if (parts == std::vector<std::string>{"health", "live"}) return json(200, {{"live", true}});
    if (parts == std::vector<std::string>{"health", "ready"}) {
        const bool ready = sources.ready();
        return json(ready ? 200 : 503, {{"ready", ready}});
    }
    return not_found();
}

}  // namespace flash::service
