// `flash infer --parallel` and `--in-flight`: several inferences at a time are answered as one after the other would
// be.
#include <nlohmann/json.hpp>

#include "app/command.h"

namespace flash {
namespace {

using ::testing::HasSubstr;

class Parallel : public Command {
protected:
    static std::vector<nlohmann::json> lines(const Outcome& o) {
        std::vector<nlohmann::json> result;
        std::istringstream in(o.out);
        for (std::string line; std::getline(in, line);) result.push_back(nlohmann::json::parse(line));
        return result;
    }
    /// The input under several names.
    std::vector<std::string> copies(int count) {
        std::vector<std::string> names;
        for (int i = 0; i < count; ++i) {
            const fs::path copy = dir_ / ("input" + std::to_string(i) + ".npy");
            fs::copy_file(input_, copy, fs::copy_options::overwrite_existing);
            names.push_back(copy);
        }
        return names;
    }
    static int count(const std::string& text, const std::string& part) {
        int found = 0;
        for (std::size_t at = 0; (at = text.find(part, at)) != std::string::npos; ++at) ++found;
        return found;
    }
    Outcome infer_all(const std::vector<std::string>& options, const std::vector<std::string>& names) {
        std::vector<std::string> rest{"--json-lines"};
        rest.insert(rest.end(), options.begin(), options.end());
        rest.insert(rest.end(), names.begin(), names.end());
        return flash(infer(rest));
    }
    /// Answers to the same inputs, in the same order. (Their logits differ by rounding.)
    static void expect_the_same(const Outcome& one, const Outcome& other, std::size_t inputs) {
        ASSERT_EQ(one.status, 0) << one.err;
        ASSERT_EQ(other.status, 0) << other.err;
        const auto a = lines(one), b = lines(other);
        ASSERT_EQ(a.size(), inputs);
        ASSERT_EQ(b.size(), inputs);
        for (std::size_t i = 0; i < inputs; ++i) {
            EXPECT_EQ(a[i]["input"], b[i]["input"]);
            EXPECT_EQ(a[i]["bytes_up"], b[i]["bytes_up"]);
            EXPECT_EQ(a[i]["bytes_down"], b[i]["bytes_down"]);
            EXPECT_EQ(a[i]["logits"].size(), b[i]["logits"].size());
        }
    }
};

TEST_F(Parallel, AnswersComeInTheOrderOfTheInputs) {
    start_server();
    const std::vector<std::string> names = copies(5);
    const Outcome one = infer_all({}, names), four = infer_all({"--parallel", "4"}, names);
    expect_the_same(one, four, names.size());
    EXPECT_EQ(stop_server(SIGTERM), 0);
    const std::string log = read_file(dir_ / "server.err");
    const int connections = count(log, ": connected");
    EXPECT_GE(connections, 3) << "one of the first client, and several of the second";
    EXPECT_LE(connections, 5);
}

TEST_F(Parallel, SeveralOnOneConnection) {
    start_server();
    const std::vector<std::string> names = copies(5);
    const Outcome one = infer_all({}, names), four = infer_all({"--in-flight", "4"}, names);
    expect_the_same(one, four, names.size());
    EXPECT_EQ(stop_server(SIGTERM), 0);
    const std::string log = read_file(dir_ / "server.err");
    EXPECT_EQ(count(log, ": connected"), 2) << "one for each client";
    EXPECT_THAT(log, HasSubstr("4 inferences at a time"));
}

TEST_F(Parallel, AServerTakesFewerAtATimeThanAreAskedFor) {
    start_server({"--in-flight", "2"});
    const Outcome o = infer_all({"--in-flight", "8", "--parallel", "2"}, copies(5));
    EXPECT_EQ(o.status, 0) << o.err;
    EXPECT_GE(lines(o).size(), 5u);
    EXPECT_THAT(o.err, HasSubstr("the server takes 2 of 8 inferences at a time on a connection"));
}

TEST_F(Parallel, AServerThatIsFullIsNoReasonToFail) {
    start_server({"--max-sessions", "2"});
    const Outcome o = infer_all({"--parallel", "8"}, copies(6));
    EXPECT_EQ(o.status, 0) << o.err;
    EXPECT_GE(lines(o).size(), 6u);
    EXPECT_THAT(o.err, HasSubstr("going on with fewer inferences at a time"));
    EXPECT_THAT(o.err, HasSubstr("the server is busy"));
}

TEST_F(Parallel, ABadInputIsReportedInItsPlace) {
    start_server();
    std::vector<std::string> names = copies(4);
    std::ofstream(names[1]) << "no array";
    const Outcome o = infer_all({"--parallel", "3"}, names);
    EXPECT_EQ(o.status, 5) << o.err;
    std::vector<std::string> order;
    int failures = 0;
    for (const auto& line : lines(o)) {
        const std::string input = line["input"].get<std::string>();
        const std::string file = input.substr(0, input.find('['));
        if (order.empty() || order.back() != file) order.push_back(file);
        failures += line.contains("error");
    }
    EXPECT_EQ(order, names);
    EXPECT_EQ(failures, 1);
}

TEST_F(Parallel, ResultsAndTracesAreThoseOfAll) {
    start_server();
    const std::vector<std::string> names = copies(3);
    const fs::path results = dir_ / "results.jsonl", trace = dir_ / "trace.json";
    const Outcome o =
        infer_all({"--parallel", "3", "--results", results, "--trace", trace}, {names.begin(), names.begin() + 2});
    ASSERT_EQ(o.status, 0) << o.err;
    EXPECT_TRUE(nlohmann::json::parse(read_file(trace)).contains("traceEvents"));
    const Outcome rest = infer_all({"--parallel", "3", "--results", results}, names);
    ASSERT_EQ(rest.status, 0) << rest.err;
    for (const auto& line : lines(rest)) EXPECT_THAT(line["input"].get<std::string>(), HasSubstr("input2.npy"));
    EXPECT_EQ(lines({0, read_file(results), ""}).size(), lines(o).size() + lines(rest).size());
}

TEST_F(Parallel, IsANumberWithinReason) {
    for (const char* option : {"--parallel", "--in-flight"})
        for (const char* bad : {"0", "-1", "65", "many"})
            EXPECT_EQ(flash({"infer", "--server", "127.0.0.1:1", option, bad, input_}).status, 2) << option << bad;
}

}  // namespace
}  // namespace flash
