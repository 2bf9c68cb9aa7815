// What the server says over HTTP has the paths, statuses, names and types of the Open Inference Protocol (its REST
// description, version 2), so that its clients and probes understand it.
#include "service/site.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "model/file.h"
#include "service/model_store.h"
#include "support/random_model.h"
#include "transport/scratch.h"

namespace flash::service {
namespace {

using Json = nlohmann::json;
using Type = Json::value_t;

/// Fields that an object of the protocol must have, and those that it may have.
struct Schema {
    std::map<std::string, Type> required, optional;
};

const Schema kServerMetadata{{{"name", Type::string}, {"version", Type::string}, {"extensions", Type::array}}, {}};
const Schema kLive{{{"live", Type::boolean}}, {}};
const Schema kReady{{{"ready", Type::boolean}}, {}};
const Schema kModelReady{{{"name", Type::string}, {"ready", Type::boolean}}, {}};
const Schema kModelMetadata{
    {{"name", Type::string}, {"platform", Type::string}, {"inputs", Type::array}, {"outputs", Type::array}},
    {{"versions", Type::array}, {"parameters", Type::object}}};
const Schema kTensor{{{"name", Type::string}, {"datatype", Type::string}, {"shape", Type::array}},
                     {{"parameters", Type::object}}};
const Schema kError{{{"error", Type::string}}, {}};

void check(const Json& json, const Schema& schema, const std::string& where) {
    ASSERT_TRUE(json.is_object()) << where;
    for (const auto& [name, type] : schema.required) {
        ASSERT_TRUE(json.contains(name)) << where << ": " << name;
        EXPECT_EQ(json[name].type(), type) << where << ": " << name;
    }
    for (const auto& [name, value] : json.items()) {
        if (schema.required.contains(name)) continue;
        ASSERT_TRUE(schema.optional.contains(name)) << where << ": the protocol has no " << name;
        EXPECT_EQ(value.type(), schema.optional.at(name)) << where << ": " << name;
    }
}

class Site : public ::testing::Test {
protected:
    Site() {
        const auto save = [&](const std::string& file, std::uint64_t seed) {
            std::filesystem::create_directories((scratch_ / file).parent_path());
            model::save(flash::testing::single_convolution({2, 9, 7}, 3, {3, 3, 1, 1, 1, 1, 1, 1}, seed),
                        scratch_ / file);
        };
        save("net/1.flash", 1);
        save("net/2.flash", 2);
        save("other.flash", 3);
        LoadOptions load;
        load.use_cache = false;
        models_ = std::make_unique<ModelStore>(scratch_ / "", load);
        models_->load_first();
        sources_ = std::make_unique<SiteSources>(SiteSources{*models_, [this] { return ready_; }, {}, {}});
    }
    HttpAnswer ask(const std::string& path, const std::string& token = "") const {
        SecretVector<char> bearer(token.size());
        std::ranges::copy(token, bearer.data());
        return answer_site(*sources_, {path, std::move(bearer)});
    }
    /// The answer's JSON, after checking status and form.
    Json get(const std::string& path, int status, const Schema& schema) const {
        const HttpAnswer answer = ask(path);
        EXPECT_EQ(answer.status, status) << path;
        EXPECT_EQ(answer.type, "application/json") << path;
        Json json = Json::parse(answer.body, nullptr, false);
        EXPECT_FALSE(json.is_discarded()) << path << ": " << answer.body;
        check(json, schema, path);
        return json;
    }

    const transport::testing::Scratch scratch_;
    std::unique_ptr<ModelStore> models_;
    bool ready_ = true;
    std::unique_ptr<SiteSources> sources_;
};

TEST_F(Site, ServerAndHealth) {
    EXPECT_EQ(get("/v2", 200, kServerMetadata)["name"], "flash");
    EXPECT_EQ(get("/v2/", 200, kServerMetadata)["name"], "flash");
    EXPECT_EQ(get("/v2/health/live", 200, kLive)["live"], true);
    EXPECT_EQ(get("/v2/health/ready", 200, kReady)["ready"], true);
    ready_ = false;
    EXPECT_EQ(get("/v2/health/live", 200, kLive)["live"], true);
    EXPECT_EQ(get("/v2/health/ready", 503, kReady)["ready"], false);
}

TEST_F(Site, ModelsByNameAndVersion) {
    for (const char* path : {"/v2/models/net", "/v2/models/net/versions/2", "/v2/models/net/versions/1"}) {
        const Json json = get(path, 200, kModelMetadata);
        EXPECT_EQ(json["name"], "net");
        EXPECT_EQ(json["versions"], (Json{"1", "2"}));
        for (const char* side : {"inputs", "outputs"}) {
            ASSERT_EQ(json[side].size(), 1u) << path;
            check(json[side][0], kTensor, path);
            EXPECT_EQ(json[side][0]["datatype"], "FP32");
        }
        EXPECT_EQ(json["inputs"][0]["shape"], (Json{1, 2, 9, 7}));
        EXPECT_EQ(json["outputs"][0]["shape"][0], 1);
        EXPECT_EQ(json["outputs"][0]["shape"].size(), 2u);
        EXPECT_EQ(json["parameters"]["version"], std::string(path).ends_with("1") ? "1" : "2");
    }
    EXPECT_EQ(get("/v2/models/net/ready", 200, kModelReady)["name"], "net");
    EXPECT_EQ(get("/v2/models/net/versions/1/ready", 200, kModelReady)["ready"], true);
    ready_ = false;
    EXPECT_EQ(get("/v2/models/net/ready", 503, kModelReady)["ready"], false);
    const Json list = get("/v2/models", 200, {{{"models", Type::array}}, {}});
    EXPECT_EQ(list["models"].size(), 3u);
}

TEST_F(Site, WhatIsNotThereIsAnErrorAsTheProtocolHasIt) {
    for (const char* path : {"/", "", "/v1", "/v3/health/live", "/v2/health", "/v2/health/other", "/v2/health/live/x",
                             "/v2/models/absent", "/v2/models/net/versions", "/v2/models/net/versions/3",
                             "/v2/models/net/versions/x", "/v2/models/net/versions/1/ready/x", "/v2/models/net/infer",
                             "/v2/models/other/versions/1", "/metrics", "/v2/models/..%2fnet", "/v2/models/\x01"})
        get(path, 404, kError);
}

TEST_F(Site, ModelsAreForThoseWhoMayUseThem) {
    sources_->admit = [](std::span<const char> token) {
        if (token.empty()) throw Denied("it asks for a token");
        Caller caller;
        caller.models = {"other"};
        return caller;
    };
    for (const char* path : {"/v2/models", "/v2/models/net", "/v2/models/absent", "/v2/models/other/ready"})
        get(path, 401, kError);
    EXPECT_EQ(ask("/v2/models/other", "token").status, 200);
    EXPECT_EQ(ask("/v2/models/net", "token").status, 404);
    EXPECT_EQ(Json::parse(ask("/v2/models", "token").body)["models"].size(), 1u);
    EXPECT_EQ(ask("/v2/health/ready").status, 200);
    EXPECT_EQ(ask("/v2").status, 200);
}

}  // namespace
}  // namespace flash::service
