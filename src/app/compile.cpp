#include "app/compile.h"

#include <fmt/format.h>
#include <tbb/parallel_for.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "app/dropped.h"
#include "app/key_report.h"
#include "app/label_report.h"
#include "app/plan_report.h"
#include "app/precision_report.h"
#include "app/probe_pictures.h"
#include "app/threads.h"
#include "app/warning.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json_text.h"
#include "base/other_file.h"
#include "base/progress.h"
#include "base/standard_output.h"
#include "base/table.h"
#include "data/dataset.h"
#include "data/preprocess.h"
#include "model/file.h"
#include "model/names.h"
#include "planner/pack_for.h"
#include "transport/link.h"

namespace flash::app {

namespace {

/// Which picture of the set is the i-th of `used`.
std::size_t picture_at(std::size_t i, std::size_t used, const data::Dataset& set) { return i * set.size() / used; }

constexpr int kUsualShareBits = 9;  // where the compiler chooses, rates are measured with a width that it often takes

/// Fewer pictures than this say little of the ranges of others.
constexpr std::size_t kFewPictures = 10;

/// `count` pictures spread evenly over the set, so that a set sorted by class is not calibrated on one class.
std::vector<std::vector<float>> load_calibration(const data::Dataset& set, std::size_t count,
                                                 const compiler::ImportedModel& imported) {
    const std::size_t used = std::min(count, set.size());
    require(used > 0, ErrorKind::kInvalidArgument, "the calibration set is empty");
    std::vector<std::vector<float>> pictures(used);
    Dropped dropped;
    Progress progress("loading calibration pictures", used);
    tbb::parallel_for(std::size_t{0}, used, [&](std::size_t i) {
        std::string left_out;
        pictures[i] = set.load(picture_at(i, used, set), imported.preprocessing, imported.input, left_out);
        dropped.add(left_out);
        progress.advance();
    });
    dropped.warn(used);
    if (used < kFewPictures)
        warn(fmt::format("calibrated on {} picture{} only: others may leave the ranges that {} set{}", used,
                         used == 1 ? "" : "s", used == 1 ? "it" : "they", used == 1 ? "s" : ""));
    return pictures;
}

/// A network that names other classes than the one it was made of is no success, whatever its signal to noise: one
/// large logit may dominate that.
void require_agreement(const CompileCommand& command, const compiler::Report& report, const LabelReport& labels) {
    std::string what;
    const char* option = "--least-agreement";
    if (report.agreement < command.least_agreement) {
        what = fmt::format(
            "the compiled network names the float network's class on {:.1f}% of {} check images; at least {:.1f}% are "
            "wanted",
            100 * report.agreement, report.check_images, 100 * command.least_agreement);
    } else if (labels.certain_loss() > command.accuracy_loss) {
        option = "--accuracy-loss";
        what = fmt::format(
            "of {} check images with labels the float network names {} rightly, the compiled one {}; {:.1f}% may be "
            "lost",
            labels.images, labels.exact, labels.quantised, 100 * command.accuracy_loss);
    }
    if (what.empty()) return;
    if (!command.force)
        throw Error(ErrorKind::kRange,
                    fmt::format("{}. More or other calibration pictures, or training with quantisation in mind, may "
                                "help; {} sets the threshold, --force writes the model all the same",
                                what, option));
    warn(what + ", but --force was given");
}

std::string probe_text(const std::vector<ProbeOutcome>& probes) {
    if (probes.empty()) return {};
    std::string outside;
    for (const ProbeOutcome& p : probes)
        if (p.overflows > 0) outside += (outside.empty() ? "" : ", ") + p.picture;
    return outside.empty()
               ? fmt::format("values stay in their ranges on all {} synthetic pictures\n", probes.size())
               : fmt::format(
                     "values leave their ranges, so that answers are wrong, on these of {} synthetic pictures: {}\n",
                     probes.size(), outside);
}

}  // namespace

void run_compile(const CompileCommand& command) {
    const auto limit = limit_threads(command.threads);
    // What can be wrong with the command is said first: compiling may take long.
    std::filesystem::path out = command.out;
    if (out.empty()) out = std::filesystem::path(command.onnx).replace_extension(".flash");
    require_writable(out);
    require_other_file(out, command.onnx);
    require_other_than_set(out, command.calibration);
    if (command.place) transport::parse_link(command.place->link);
    model::check_name(command.options.name, "what --name gives");
    compiler::ImportedModel imported = compiler::import_onnx(command.onnx);
    apply(command.pictures, imported);
    if (!data::takes_pictures(imported.preprocessing))
        warn(
            "neither the ONNX file nor --resize, --mean, --std or --scale say how pictures become the input: the model "
            "will take arrays (.npy) only");
    for (const std::string& note : imported.notes) warn(note);
    // The training part: a test set measures, it is never calibrated on.
    const auto set = data::open_dataset(command.calibration, data::Split::kTrain);
    const auto pictures = load_calibration(*set, command.calibration_images, imported);

    compiler::CompileOptions options = command.options;
    if (command.place)
        options.timing = {
            planner::measure_rates({.plain_bits = options.plain_bits,
                                    .share_bits = options.share_bits ? options.share_bits : kUsualShareBits,
                                    .sines_only = imported.sines_only()}),
            setting_of(*command.place)};
    Progress progress("compiling", 1000);
    options.progress = [&](double fraction, const std::string& phase) {
        progress.set_label(phase);
        progress.set(static_cast<std::uint64_t>(std::lround(1000 * fraction)));
    };
    compiler::CompileResult result = compiler::compile(imported, pictures, options);
    progress.finish();
    for (const compiler::Outlier& outlier : result.report.outliers)
        imported.notes.push_back(describe(outlier, set->name(picture_at(outlier.image, pictures.size(), *set))));
    for (std::size_t i = imported.notes.size() - result.report.outliers.size(); i < imported.notes.size(); ++i)
        warn(imported.notes[i]);
    if (options.timing) planner::pack_for(*options.timing, result.model);

    LabelReport labels;
    if (labels_fit(*set, imported.classes, static_cast<std::size_t>(imported.output().size())))
        labels = count_labels(result.report.verdicts,
                              [&](std::size_t image) { return set->label(picture_at(image, pictures.size(), *set)); });
    require_agreement(command, result.report, labels);
    const std::vector<ProbeOutcome> probes = probe(result.model);
    model::save(result.model, out);
    const std::string hint = keys_hint(result.model, planner::key_bytes(result.model));
    if (!hint.empty()) imported.notes.push_back(hint);

    const planner::Timing* const timing = options.timing ? &*options.timing : nullptr;
    if (command.json) {
        nlohmann::json json = plan_json(result.model, timing);
        json["report"] = precision_json(result.report);
        json["report"]["labels"] = label_json(labels);
        json["probes"] = nlohmann::json::array();
        for (const ProbeOutcome& p : probes)
            json["probes"].push_back({{"picture", p.picture}, {"overflows", p.overflows}});
        json["notes"] = imported.notes;
        json["file"] = out.string();
        print_result("{}\n", json_text(json, 2));
        return;
    }
    for (const std::string& note : imported.notes) print_result("note: {}\n", note);
    print_result("{}\n{}", plan_table(result.model, timing), precision_text(result.report, set->description()));
    print_result("{}{}", label_text(labels), probe_text(probes));
    std::error_code no_size;  // a device or a pipe has none
    const auto bytes = std::filesystem::file_size(out, no_size);
    print_result("wrote {}{}\n", out.string(),
                 no_size ? "" : fmt::format(" ({})", human_bytes(static_cast<double>(bytes))));
}

}  // namespace flash::app
