// The options of `flash serve` that change what the protocol promises, through the program itself.
#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "command.h"

namespace flash {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class ServeOptions : public Command {
protected:
    /// What a server with these options says, and the logits of one query to it.
    struct Run {
        std::string log;
        std::vector<double> logits;
    };
    Run serve_once(const std::vector<std::string>& extra) {
        fs::remove(dir_ / "port");
        start_server(extra);
        const Outcome o = flash(infer({input_, "--json-lines"}));
        EXPECT_EQ(o.status, 0) << o.err;
        EXPECT_EQ(stop_server(SIGTERM), 0);
        Run run{read_file(dir_ / "server.out") + read_file(dir_ / "server.err"), {}};
        const nlohmann::json answer = nlohmann::json::parse(o.out);
        for (const nlohmann::json& logit : answer.at("logits")) run.logits.push_back(logit.get<double>());
        return run;
    }
    static double distance(const std::vector<double>& a, const std::vector<double>& b) {
        double most = 0;
        for (std::size_t i = 0; i < a.size(); ++i) most = std::max(most, std::abs(a[i] - b.at(i)));
        return most;
    }
};

TEST_F(ServeOptions, GuardGivesTheSameAnswersAndSaysItsBytes) {
    const Run plain = serve_once({}), guarded = serve_once({"--guard"});
    EXPECT_THAT(plain.log, Not(HasSubstr("vectors of a layer leave after")));
    EXPECT_THAT(guarded.log, HasSubstr("vectors of a layer leave after the answers of all layers before it"));
    double size = 0;
    for (double x : plain.logits) size = std::max(size, std::abs(x));
    ASSERT_GT(size, 0);
    EXPECT_LT(distance(plain.logits, guarded.logits), 0.05 * size);
}

TEST_F(ServeOptions, RevealTellsFewerBits) {
    const Run fine = serve_once({}), coarse = serve_once({"--reveal", "6"});
    EXPECT_THAT(coarse.log, HasSubstr("results tell 6 bits"));
    EXPECT_THAT(fine.log, Not(HasSubstr("results tell")));
    double size = 0;
    for (double x : fine.logits) size = std::max(size, std::abs(x));
    // 2^6 positions, most of whose range the largest calibrated logit takes: none is off by more than a few of them.
    EXPECT_LT(distance(fine.logits, coarse.logits), size / 4);
    // All of them are multiples of one step, of which the range has 64. The least difference of two is some steps.
    const std::set<double> told(coarse.logits.begin(), coarse.logits.end());
    ASSERT_GE(told.size(), 2u);
    double least = 2 * size;
    for (auto a = told.begin(), b = std::next(a); b != told.end(); ++a, ++b) least = std::min(least, *b - *a);
    const auto divides = [&](double step) {
        return std::ranges::all_of(told, [&](double x) { return std::abs(std::remainder(x, step)) < 1e-3 * step; });
    };
    int steps = 1;
    while (steps < 64 && !divides(least / steps)) ++steps;
    const double step = least / steps;
    EXPECT_TRUE(divides(step));
    EXPECT_GT(step, size / 64);
}

TEST_F(ServeOptions, RotateBeginsAnEpochThatTheNextStartGoesOnWith) {
    EXPECT_THAT(serve_once({}).log, Not(HasSubstr("epoch")));
    EXPECT_FALSE(fs::exists(dir_ / "net.flash.epoch"));
    EXPECT_THAT(serve_once({"--rotate"}).log, HasSubstr("begins epoch"));
    const std::string first = read_file(dir_ / "net.flash.epoch");
    const std::string next = serve_once({}).log;
    EXPECT_THAT(next, HasSubstr("goes on with epoch " + first.substr(0, 16)));
    EXPECT_THAT(next, HasSubstr("with the cache")) << "the cache of this epoch is used again";
    EXPECT_THAT(serve_once({"--rotate"}).log, HasSubstr("begins epoch"));
    EXPECT_NE(read_file(dir_ / "net.flash.epoch"), first);
}

}  // namespace
}  // namespace flash
