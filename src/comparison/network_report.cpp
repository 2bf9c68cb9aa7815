// What `flash bench network` says: JSON and tables.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/table.h"
#include "comparison/network_bench.h"

namespace flash::comparison {

namespace {

/// All runs over one connection, or over all of them.
struct Sum {
    int runs = 0, same_class = 0;
    double largest_logit_difference = 0;
    void add(const ConnectionResult::Check& check) {
        runs += check.runs;
        same_class += check.same_class;
        largest_logit_difference = std::max(largest_logit_difference, check.largest_logit_difference);
    }
};

Sum over_connection(const ConnectionResult& connection) {
    Sum sum;
    for (const auto& check : connection.checks) sum.add(check);
    return sum;
}

Sum over_picture(const NetworkResult& result, std::size_t picture) {
    Sum sum;
    for (const ConnectionResult& connection : result.connections) sum.add(connection.checks[picture]);
    return sum;
}

/// The picture on which a connection's logits came nearest to what is allowed: the difference and the bound.
std::pair<double, double> worst(const NetworkResult& result, const ConnectionResult& connection) {
    std::pair<double, double> found{0, result.pictures.all[0].logit_bound};
    for (std::size_t i = 0; i < connection.checks.size(); ++i) {
        const double difference = connection.checks[i].largest_logit_difference,
                     bound = result.pictures.all[i].logit_bound;
        if (difference * found.second > found.first * bound) found = {difference, bound};
    }
    return found;
}

nlohmann::json pictures_json(const NetworkResult& r) {
    nlohmann::json list = nlohmann::json::array();
    for (std::size_t i = 0; i < r.pictures.all.size(); ++i) {
        const Sum sum = over_picture(r, i);
        list.push_back({{"name", r.pictures.all[i].name},
                        {"runs", sum.runs},
                        {"same_class_as_twin", sum.same_class},
                        {"largest_logit_difference", sum.largest_logit_difference},
                        {"logit_bound", r.pictures.all[i].logit_bound}});
    }
    return list;
}

}  // namespace

nlohmann::json to_json(const NetworkResult& r) {
    nlohmann::json json{
        {"network", r.name},
        {"input", r.pictures.source},
        {"pictures", pictures_json(r)},
        {"pictures_skipped", r.pictures.skipped},
        {"activation_values", r.activation_values},
        {"activation_layers", r.activation_layers},
        {"multiply_adds", r.multiply_adds},
        {"load_s", r.load_seconds},
        {"memory",
         {{"model_bytes", r.model_bytes}, {"resident_before_bytes", r.resident_bytes}, {"peak_bytes", r.peak_bytes}}},
        {"connections", nlohmann::json::array()},
        {"audit",
         {{"largest_rounding_error", r.audit.largest_rounding_error},
          {"out_of_range", r.audit.out_of_range},
          {"wrong_activations", r.audit.wrong_activations}}},
        {"plain", to_json(r.plain)},
        {"plain_original", to_json(r.original.plain)}};
    if (!r.original.plain.empty()) {
        json["plain_original"]["multiply_adds"] = r.original.multiply_adds;
        json["plain_original"]["largest_difference"] = r.original.largest_difference;
    }
    const double values = static_cast<double>(r.activation_values);
    for (const ConnectionResult& c : r.connections) {
        nlohmann::json entry = to_json(c.seconds);
        entry["connection"] = c.name;
        entry["link"] = c.link;
        entry["predicted_s"] = c.predicted_seconds;
        entry["bytes_up"] = c.bytes_up;
        entry["bytes_down"] = c.bytes_down;
        entry["round_trips"] = c.round_trips;
        if (r.activation_values) {
            entry["bytes_per_activation_value"] = static_cast<double>(c.bytes_up + c.bytes_down) / values;
            entry["ns_per_activation_value"] = 1e9 * c.seconds.median() / values;
        }
        entry["client_steps_s"] = {
            {"setup", c.steps.setup},     {"encrypt", c.steps.encrypt},           {"wait_linear", c.steps.wait_linear},
            {"decrypt", c.steps.decrypt}, {"wait_vectors", c.steps.wait_vectors}, {"respond", c.steps.respond}};
        const Sum sum = over_connection(c);
        const auto [difference, bound] = worst(r, c);
        entry["correctness"] = {{"correct", r.correct(c)},
                                {"runs", sum.runs},
                                {"same_class_as_twin", sum.same_class},
                                {"largest_logit_difference", difference},
                                {"logit_bound", bound}};
        if (!r.plain.empty()) entry["over_plain"] = ratio_json(c.seconds, r.plain.seconds);
        if (!r.original.plain.empty()) entry["over_plain_original"] = ratio_json(c.seconds, r.original.plain.seconds);
        json["connections"].push_back(std::move(entry));
    }
    if (!r.scaling.empty()) json["server_scaling"] = to_json(r.scaling);
    return json;
}

namespace {

std::string network_table(const NetworkResult& r) {
    std::vector<Table::Column> columns{{""}};
    std::vector<const Samples*> plain;  // columns behind those of the connections
    for (const ConnectionResult& c : r.connections) columns.push_back({c.name, Align::kRight});
    for (const auto& [name, result] :
         {std::pair{"plain float32", &r.plain}, std::pair{"as exported", &r.original.plain}})
        if (!result->empty()) {
            columns.push_back({name, Align::kRight});
            plain.push_back(&result->seconds);
        }
    Table table(columns);
    const auto row = [&](const std::string& name, const auto& cell, double (Samples::*of)() const = nullptr) {
        std::vector<std::string> cells{name};
        for (const ConnectionResult& c : r.connections) cells.push_back(cell(c));
        for (const Samples* samples : plain) cells.push_back(of ? human_seconds((samples->*of)()) : std::string());
        table.add_row(std::move(cells));
    };
    const double values = static_cast<double>(std::max<std::int64_t>(1, r.activation_values));
    const auto bytes = [](std::uint64_t count) { return with_separators(static_cast<long long>(count)); };
    using Result = const ConnectionResult&;
    row(
        "one inference, median", [](Result c) { return human_seconds(c.seconds.median()); }, &Samples::median);
    row(
        "fastest", [](Result c) { return human_seconds(c.seconds.min()); }, &Samples::min);
    row(
        "slowest", [](Result c) { return human_seconds(c.seconds.max()); }, &Samples::max);
    row("predicted, of the median", [](Result c) {
        return fmt::format("{} ({:.0f}%)", human_seconds(c.predicted_seconds),
                           100 * c.predicted_seconds / c.seconds.median());
    });
    if (!r.plain.empty())
        row("private over plain (of the fastest)", [&](Result c) { return ratio_text(c.seconds, r.plain.seconds); });
    if (!r.original.plain.empty())
        row("private over plain as exported",
            [&](Result c) { return ratio_text(c.seconds, r.original.plain.seconds); });
    row("ns per activation value", [&](Result c) { return fmt::format("{:.0f}", 1e9 * c.seconds.median() / values); });
    table.add_rule();
    row("bytes up", [&](Result c) { return bytes(c.bytes_up); });
    row("bytes down", [&](Result c) { return bytes(c.bytes_down); });
    row("bytes per activation value",
        [&](Result c) { return fmt::format("{:.1f}", static_cast<double>(c.bytes_up + c.bytes_down) / values); });
    row("round trips", [](Result c) { return std::to_string(c.round_trips); });
    table.add_rule();
    row("top class is the twin's",
        [&](Result c) { return fmt::format("{} of {}", over_connection(c).same_class, over_connection(c).runs); });
    row("logit difference to the twin (allowed)", [&](Result c) {
        const auto [difference, bound] = worst(r, c);
        return fmt::format("{:.3g} ({:.3g})", difference, bound);
    });
    return table.str();
}

std::string pictures_table(const NetworkResult& r) {
    Table table({{"picture"},
                 {"runs", Align::kRight},
                 {"top class is the twin's", Align::kRight},
                 {"largest logit difference", Align::kRight},
                 {"allowed", Align::kRight}});
    for (std::size_t i = 0; i < r.pictures.all.size(); ++i) {
        const Sum sum = over_picture(r, i);
        table.add_row({printable(r.pictures.all[i].name), std::to_string(sum.runs), std::to_string(sum.same_class),
                       fmt::format("{:.3g}", sum.largest_logit_difference),
                       fmt::format("{:.3g}", r.pictures.all[i].logit_bound)});
    }
    return table.str();
}

std::string scaling_table(const NetworkResult& r) {
    Table table({{"cores", Align::kRight},
                 {"server alone, median", Align::kRight},
                 {"fastest", Align::kRight},
                 {"speed-up (of the fastest)", Align::kRight},
                 {"CPU time of all threads", Align::kRight}});
    for (const ScalingPoint& p : r.scaling)
        table.add_row({std::to_string(p.threads), human_seconds(p.seconds.median()), human_seconds(p.seconds.min()),
                       ratio_text(r.scaling.front().seconds, p.seconds), human_seconds(p.cpu_seconds.median())});
    return table.str();
}

}  // namespace

std::string network_text(const NetworkResult& r) {
    std::string text = fmt::format(
        "{}: {} activation layers, {} activation values, {:.1f} M multiply-adds; input: {}\n\n{}\n{}",
        printable(r.name), r.activation_layers, with_separators(r.activation_values),
        1e-6 * static_cast<double>(r.multiply_adds), printable(r.pictures.source), network_table(r), pictures_table(r));
    if (r.pictures.skipped)
        text +=
            fmt::format("{} pictures were passed over: some value of theirs leaves its range.\n", r.pictures.skipped);
    text += fmt::format(
        "One more run with all shares laid open: largest rounding error {:.3f} (one unit allowed), {} values out of "
        "range, {} activations not exact.\n\n",
        r.audit.largest_rounding_error, r.audit.out_of_range, r.audit.wrong_activations);
    if (!r.scaling.empty()) text += scaling_table(r) + "\n";
    text += fmt::format(
        "The connections took turns; both parties share the threads. Model ready to serve in {}, {}. Memory of the "
        "process: {} before the\n"
        "inferences, {} at most during one (both parties).\n",
        human_seconds(r.load_seconds), human_bytes(static_cast<double>(r.model_bytes)),
        human_bytes(static_cast<double>(r.resident_bytes)), human_bytes(static_cast<double>(r.peak_bytes)));
    for (const ConnectionResult& c : r.connections)
        if (c.link != "none") text += fmt::format("{}: emulated, {}.\n", c.name, c.link);
    if (!r.plain.empty())
        text +=
            fmt::format("Plain: {}, {} threads ({}).\n", r.plain.algorithm, r.plain.threads, r.plain.implementation);
    if (!r.original.plain.empty())
        text += fmt::format(
            "As exported: {:.1f} M multiply-adds; {}, {} threads ({}). Its logits differ from the folded network's by "
            "{:.2g} of the largest.\n",
            1e-6 * static_cast<double>(r.original.multiply_adds), r.original.plain.algorithm, r.original.plain.threads,
            r.original.plain.implementation, r.original.largest_difference);
    return text;
}

}  // namespace flash::comparison
