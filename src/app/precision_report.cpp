#include "app/precision_report.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/table.h"

namespace flash::app {

namespace {

constexpr std::size_t kNameWidth = 30;

/// The end of a long name says more than its beginning.
std::string shortened(const std::string& name) {
    return name.size() <= kNameWidth ? name : ".." + name.substr(name.size() - kNameWidth + 2);
}

std::string layer_table(const compiler::Report& report) {
    Table table({{"layer"},
                 {"m", Align::kRight},
                 {"unit of X", Align::kRight},
                 {"largest", Align::kRight},
                 {"margin", Align::kRight},
                 {"used", Align::kRight},
                 {"S", Align::kRight},
                 {"weights", Align::kRight},
                 {"noise", Align::kRight},
                 {"limit", Align::kRight},
                 {"SNR of X", Align::kRight},
                 {"share", Align::kRight}});
    for (const compiler::LayerReport& l : report.layers)
        table.add_row({shortened(l.name), std::to_string(l.share_bits),
                       l.scale_low == l.scale_high ? fmt::format("{:.2g}", l.scale_low)
                                                   : fmt::format("{:.1g}..{:.1g}", l.scale_low, l.scale_high),
                       fmt::format("{:.3g}", l.range), l.amplitude ? "-" : fmt::format("{:.2f}", l.margin),
                       l.amplitude ? "-" : fmt::format("{:.0f}%", 100 * l.use),
                       l.amplitude ? std::to_string(l.amplitude) : "-",
                       l.max_weight ? fmt::format("{:.1f}b x{}", std::log2(2.0 * l.max_weight + 1), l.multiplier)
                                    : std::string("-"),
                       fmt::format("{:.1f}", l.noise_bits), fmt::format("{:.1f}", l.noise_limit),
                       fmt::format("{:.1f} dB", l.snr_db), fmt::format("{:.0f}%", 100 * l.error_share)});
    return table.str() +
           "margin: what fits over the largest x seen; used: of T/4; S: amplitude of a sine; weights: bits and "
           "multiplier; noise: log2 of ten "
           "sigma;\n"
           "share: of the logits' quantisation noise, predicted\n";
}

std::string candidate_table(const compiler::Report& report) {
    Table table({{"bits of T", Align::kRight},
                 {"m", Align::kRight},
                 {"predicted", Align::kRight},
                 {"logit SNR", Align::kRight},
                 {""}});
    for (const compiler::CandidateReport& c : report.candidates)
        table.add_row(
            {std::to_string(c.plain_bits),
             c.least_share_bits == c.most_share_bits ? std::to_string(c.least_share_bits)
                                                     : fmt::format("{}..{}", c.least_share_bits, c.most_share_bits),
             fmt::format("{:.1f} dB", c.predicted_snr_db),
             c.fits ? fmt::format("{:.1f} dB", c.snr_db) : std::string("-"), c.chosen ? "chosen" : c.problem});
    return table.str();
}

}  // namespace

std::string precision_text(const compiler::Report& report, const std::string& images) {
    std::string text = layer_table(report) + "\n" + candidate_table(report) + "\n";
    text += "most of the logits' noise comes from\n";
    for (std::size_t i = 0; i < report.worst.size(); ++i) {
        const compiler::LayerReport& layer = report.layers[report.worst[i]];
        text += fmt::format("  {} ({:.0f}%, m = {}, {})\n", printable(layer.name), 100 * layer.error_share,
                            layer.share_bits,
                            layer.multiplier <= 1 && layer.max_weight > 0 && layer.max_weight < 64
                                ? "its weights fill few of their bits"
                                : "rounding of its X and weights");
    }
    text += report.margin + "\n";
    text += fmt::format(
        "calibrated on {} of {}\non {} of them the integer model keeps {:.1f} dB and {:.1f}% of the float model's "
        "classes; ranges hold on {}, among them the furthest\n",
        report.calibration_images, images, report.check_images, report.snr_db, 100 * report.agreement,
        report.proof_images);
    return text;
}

nlohmann::json precision_json(const compiler::Report& report) {
    nlohmann::json left_out = nlohmann::json::array();
    for (const compiler::Outlier& outlier : report.outliers)
        left_out.push_back({{"image", outlier.image}, {"reach", outlier.reach}});
    nlohmann::json layers = nlohmann::json::array(), candidates = nlohmann::json::array(),
                   worst = nlohmann::json::array();
    for (const compiler::LayerReport& l : report.layers)
        layers.push_back({{"name", l.name},
                          {"share_bits", l.share_bits},
                          {"amplitude", l.amplitude},
                          {"x_scale_min", l.scale_low},
                          {"x_scale_max", l.scale_high},
                          {"range", l.range},
                          {"margin", l.margin},
                          {"tail", l.tail},
                          {"use", l.use},
                          {"max_weight", l.max_weight},
                          {"multiplier", l.multiplier},
                          {"noise_bits", l.noise_bits},
                          {"noise_limit", l.noise_limit},
                          {"snr_db", l.snr_db},
                          {"error_share", l.error_share}});
    for (const compiler::CandidateReport& c : report.candidates)
        candidates.push_back({{"plain_bits", c.plain_bits},
                              {"least_share_bits", c.least_share_bits},
                              {"most_share_bits", c.most_share_bits},
                              {"predicted_snr_db", c.predicted_snr_db},
                              {"fits", c.fits},
                              {"snr_db", c.snr_db},
                              {"overflows", c.overflows},
                              {"chosen", c.chosen},
                              {"problem", c.problem}});
    for (std::size_t index : report.worst) worst.push_back(report.layers[index].name);
    return {{"layers", layers},
            {"candidates", candidates},
            {"worst", worst},
            {"snr_db", report.snr_db},
            {"predicted_snr_db", report.predicted_snr_db},
            {"agreement", report.agreement},
            {"margin", report.margin},
            {"calibration_images", report.calibration_images},
            {"left_out", left_out},
            {"check_images", report.check_images},
            {"proof_images", report.proof_images}};
}

}  // namespace flash::app
