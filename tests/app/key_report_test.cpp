// What is said of keys for each depth, and of models that trust their server.
#include "app/key_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "app/command.h"

namespace flash {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

/// A chain: the hint and the texts look at its keys and flag alone.
model::Model chain(bool trust_server) {
    model::Model model;
    model.architecture.slots = {8192, 2};
    model.architecture.plain_bits = 24;
    model.architecture.trust_server = trust_server;
    model.architecture.input = {3, 8, 8};
    for (int l = 0; l < 3; ++l) {
        model::Layer& layer = model.architecture.layers.emplace_back();
        layer.name = "layer";
        layer.terms.resize(1);
        layer.terms[0].source = l;
        layer.output = {3, 8, 8};
        layer.share_bits = 9;
        layer.activation = l < 2;
    }
    return model;
}

TEST(KeyReport, HintsWhereKeysForEachDepthAreDear) {
    EXPECT_EQ(app::keys_hint(chain(false), {1000, 910}), "");
    const std::string hint = app::keys_hint(chain(false), {1000, 740});
    EXPECT_THAT(hint, HasSubstr("260 of 1,000 bytes (26%)"));
    EXPECT_THAT(hint, HasSubstr("--trust-server"));
    EXPECT_THAT(hint, HasSubstr("semi-honest, and assuming circular security"));
    EXPECT_EQ(app::keys_hint(chain(true), {1000, 740}), "") << "it trusts already";
}

TEST(KeyReport, SaysWhatTheOtherKindOfKeysWouldCost) {
    const std::string levelled = app::keys_text(chain(false), {10000, 8000});
    EXPECT_THAT(levelled, HasSubstr("3, for each depth its own"));
    EXPECT_THAT(levelled, HasSubstr("2,000 bytes (20.0%)"));
    const std::string trusting = app::keys_text(chain(true), {10000, 8000});
    EXPECT_THAT(trusting, HasSubstr("1, which serve all depths"));
    EXPECT_THAT(trusting, HasSubstr("semi-honest, and assuming circular security"));
    EXPECT_THAT(trusting, HasSubstr("2,000 bytes more"));
    const nlohmann::json json = app::keys_json(chain(true), {10000, 8000});
    EXPECT_EQ(json["trust_server"], true);
    EXPECT_EQ(json["count"], 1);
    EXPECT_EQ(json["bytes_with_levels"], 10000);
    EXPECT_EQ(json["bytes_with_trust"], 8000);
}

class TrustServer : public Command {
protected:
    std::string trusting() {
        const fs::path file = dir_ / "net.flash";
        const Outcome o =
            flash({"compile", onnx_, "--calib", "npy:" + input_.string(), "--trust-server", "--out", file});
        EXPECT_EQ(o.status, 0) << o.err;
        EXPECT_THAT(o.out, HasSubstr("semi-honest, and assuming circular security"));
        return file;
    }
};

TEST_F(TrustServer, IsWrittenIntoTheFileAndSaidByPlan) {
    const Outcome plan = flash({"plan", trusting(), "--bytes-only", "--json"});
    ASSERT_EQ(plan.status, 0) << plan.err;
    const auto keys = nlohmann::json::parse(plan.out)["keys"];
    EXPECT_EQ(keys["trust_server"], true);
    EXPECT_GE(keys["bytes_with_levels"], keys["bytes_with_trust"]);
    EXPECT_THAT(flash({"plan", trusting(), "--bytes-only"}).out, HasSubstr("which serve all depths"));
    fs::remove(dir_ / "net.flash");
    const Outcome usual = flash({"plan", model(), "--bytes-only", "--json"});
    ASSERT_EQ(usual.status, 0) << usual.err;
    EXPECT_EQ(nlohmann::json::parse(usual.out)["keys"]["trust_server"], false);
}

TEST_F(TrustServer, AClientRefusesItUnlessItsUserAccepts) {
    trusting();
    start_server();
    const Outcome refused = flash(infer({"--retry", "3", input_}));
    EXPECT_EQ(refused.status, 3);
    EXPECT_EQ(refused.out, "");
    EXPECT_THAT(refused.err, HasSubstr("semi-honest, and assuming circular security"));
    EXPECT_THAT(refused.err, HasSubstr("Nothing of the input was sent"));
    EXPECT_THAT(refused.err, HasSubstr("--trust-server"));
    EXPECT_THAT(refused.err, Not(HasSubstr("trying again")));
    const Outcome accepted = flash(infer({"--trust-server", input_}));
    EXPECT_EQ(accepted.status, 0) << accepted.err;
    EXPECT_THAT(accepted.err, HasSubstr("semi-honest, and assuming circular security"));
    EXPECT_EQ(stop_server(SIGTERM), 0);
    const std::string log = read_file(dir_ / "server.err");
    EXPECT_THAT(log, HasSubstr("clients have to accept this model by --trust-server"));
    // The first client got to see the model, and sent no message of an inference.
    const std::size_t first = log.find("connected"), second = log.find("connected", first + 1);
    ASSERT_NE(second, std::string::npos);
    EXPECT_EQ(log.substr(0, second).find("inference in"), std::string::npos);
}

TEST_F(TrustServer, AcceptingIsNoDemand) {
    start_server();
    const Outcome o = flash(infer({"--trust-server", input_}));
    EXPECT_EQ(o.status, 0) << o.err;
    EXPECT_THAT(o.err, Not(HasSubstr("semi-honest")));
}

}  // namespace
}  // namespace flash
