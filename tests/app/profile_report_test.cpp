#include "app/profile_report.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "protocol/steps.h"

namespace flash::app {
namespace {

Profile::Span span(int layer, Step step, int begin_ms, int end_ms, std::uint64_t sent = 0, std::uint64_t received = 0,
                   std::uint64_t thread = 7) {
    Profile::Span out;
    out.layer = layer;
    out.step = step;
    out.thread = thread;
    out.begin = Profile::Clock::time_point(std::chrono::hours(5) + std::chrono::milliseconds(begin_ms));
    out.end = Profile::Clock::time_point(std::chrono::hours(5) + std::chrono::milliseconds(end_ms));
    out.bytes_sent = sent;
    out.bytes_received = received;
    return out;
}

void fill(Profile& profile) {
    profile.add(span(Profile::kNoLayer, protocol::step::kSetup, 0, 10, 8208, 1000));
    profile.add(span(0, protocol::step::kEncrypt, 10, 30));
    profile.add(span(0, protocol::step::kSend, 30, 35, 1'234'567));
    profile.add(span(0, protocol::step::kWaitLinear, 35, 75, 0, 500));
    profile.add(span(0, protocol::step::kDecrypt, 35, 100));
}

TEST(ProfileReport, Table) {
    Profile profile(Party::kClient);
    fill(profile);
    EXPECT_EQ(
        profile_table(profile, {"conv1"}),
        "client: 100.00 ms from begin to end\n"
        "layer   setup  encrypt  send  wait linear  decrypt      ms   share  waiting  bytes sent  bytes received\n"
        "------  -----  -------  ----  -----------  -------  ------  ------  -------  ----------  --------------\n"
        "(none)  10.00                                        10.00   10.0%     0.00       8,208           1,000\n"
        "conv1            20.00  5.00        40.00    25.00   90.00   90.0%    40.00   1,234,567             500\n"
        "------  -----  -------  ----  -----------  -------  ------  ------  -------  ----------  --------------\n"
        "all     10.00    20.00  5.00        40.00    25.00  100.00  100.0%    40.00   1,242,775           1,500\n");
}

TEST(ProfileReport, TableOfLayersWithoutNamesAndOfNothing) {
    Profile profile(Party::kServer);
    EXPECT_NE(profile_table(profile, {}).find("server: 0.00 ms"), std::string::npos);
    profile.add(span(4, protocol::step::kLinear, 0, 1));
    EXPECT_NE(profile_table(profile, {"a", "b"}).find("\n4 "), std::string::npos);
    // Names come from the other party's model.
    EXPECT_EQ(profile_table(profile, {"a", "b", "c", "d", "e\x1b[31m"}).find('\x1b'), std::string::npos);
}

TEST(ProfileReport, Json) {
    Profile profile(Party::kClient);
    fill(profile);
    const auto json = nlohmann::json::parse(profile_json(profile).dump());
    EXPECT_EQ(json["party"], "client");
    EXPECT_DOUBLE_EQ(json["seconds"], 0.1);
    ASSERT_EQ(json["entries"].size(), 5u);
    EXPECT_TRUE(json["entries"][0]["layer"].is_null());
    const auto& send = json["entries"][2];
    EXPECT_EQ(send["layer"], 0);
    EXPECT_EQ(send["step"], "send");
    EXPECT_EQ(send["spans"], 1);
    EXPECT_DOUBLE_EQ(send["seconds"], 0.005);
    EXPECT_EQ(send["waiting"], false);
    EXPECT_EQ(send["bytes_sent"], 1'234'567);
    EXPECT_EQ(send["bytes_received"], 0);
    EXPECT_EQ(json["entries"][3]["waiting"], true);
}

TEST(ProfileReport, TraceOfBothParties) {
    Profile client(Party::kClient), server(Party::kServer);
    fill(client);
    server.add(span(0, protocol::step::kLinear, 40, 70, 0, 0, 8));
    server.add(span(Profile::kNoLayer, protocol::step::kSetup, -5, 0, 0, 0, 8));
    const Profile* both[] = {&client, &server};
    const auto trace = nlohmann::json::parse(profile_trace(both).dump());
    const auto& events = trace["traceEvents"];
    ASSERT_EQ(events.size(), 2u + 5u + 2u);
    EXPECT_EQ(events[0],
              (nlohmann::json{{"name", "process_name"}, {"ph", "M"}, {"pid", 1}, {"args", {{"name", "client"}}}}));
    EXPECT_EQ(events[1]["args"]["name"], "server");
    const auto& wait = events[5];
    EXPECT_EQ(wait["name"], "wait linear");
    EXPECT_EQ(wait["cat"], "wait");
    EXPECT_EQ(wait["ph"], "X");
    EXPECT_DOUBLE_EQ(wait["ts"], 40'000);  // from the server's setup, the first of all
    EXPECT_DOUBLE_EQ(wait["dur"], 40'000);
    EXPECT_EQ(wait["pid"], 1);
    EXPECT_EQ(wait["tid"], 7);
    EXPECT_EQ(wait["args"], (nlohmann::json{{"layer", 0}, {"bytes_received", 500}}));
    EXPECT_EQ(events[7]["pid"], 2);
    EXPECT_EQ(events[7]["name"], "linear");
    EXPECT_EQ(events[8]["ts"], 0);
    EXPECT_EQ(events[8]["args"], nlohmann::json::object());
}

TEST(ProfileReport, TraceOfNothing) {
    EXPECT_TRUE(profile_trace({})["traceEvents"].empty());
    const Profile empty(Party::kServer);
    const Profile* one[] = {&empty};
    EXPECT_EQ(profile_trace(one)["traceEvents"].size(), 1u);
}

}  // namespace
}  // namespace flash::app
