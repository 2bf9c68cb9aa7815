#include "flash/compiler.h"

#include <fmt/format.h>

#include "api/info.h"
#include "api/model_data.h"
#include "compiler/compile.h"
#include "data/preprocess.h"

namespace flash {

struct Network::Impl {
    explicit Impl(compiler::ImportedModel the_imported) : imported(std::move(the_imported)) { describe(); }

    void describe() {
        info.name = imported.name;
        info.input = api::shape_of(imported.input);
        info.output = api::shape_of(imported.output());
        info.classes = imported.classes;
        info.pictures = api::rule_of(imported.preprocessing);
        info.takes_pictures = data::takes_pictures(imported.preprocessing);
        info.layers = imported.activation_layers() + 1;
    }

    compiler::ImportedModel imported;
    ModelInfo info;
};

Network::Network(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Network::~Network() = default;
Network::Network(Network&&) noexcept = default;
Network& Network::operator=(Network&&) noexcept = default;

Network Network::read(const std::filesystem::path& onnx) {
    return Network(std::make_unique<Impl>(compiler::import_onnx(onnx)));
}

Network Network::parse(std::span<const std::uint8_t> bytes, const std::string& name) {
    return Network(std::make_unique<Impl>(compiler::import_onnx(bytes, name)));
}

const ModelInfo& Network::info() const { return impl_->info; }

void Network::set_pictures(const PictureRule& rule) {
    const auto channels = static_cast<std::size_t>(impl_->info.input.channels);
    for (const std::vector<float>* each : {&rule.mean, &rule.std})
        if (!each->empty() && each->size() != channels)
            throw Error(ErrorKind::kInvalidArgument,
                        fmt::format("{} values of mean or std for an input of {} channels", each->size(), channels));
    impl_->imported.preprocessing = api::preprocessing_of(rule);
    impl_->describe();
}

void Network::set_classes(std::vector<std::string> names) {
    if (names.size() != impl_->info.output.size())
        throw Error(ErrorKind::kInvalidArgument,
                    fmt::format("{} class names for {} logits", names.size(), impl_->info.output.size()));
    impl_->imported.classes = std::move(names);
    impl_->describe();
}

std::vector<float> Network::evaluate(std::span<const float> input) const {
    api::check_input(impl_->info, input);
    return compiler::evaluate_float(impl_->imported, input);
}

Compiled Network::compile(std::span<const std::vector<float>> calibration, const CompileOptions& options) const {
    for (const std::vector<float>& input : calibration) api::check_input(impl_->info, input);
    compiler::CompileOptions inner;
    inner.name = options.name;
    inner.trust_server = options.trust_server;
    inner.progress = [&](double fraction, const std::string& phase) {
        if (options.progress) options.progress(fraction, phase);
        if (options.stop.stop_requested()) throw Error(ErrorKind::kCancelled, "the compilation was cancelled");
    };
    compiler::CompileResult result = compiler::compile(impl_->imported, calibration, inner);
    if (result.report.agreement < options.least_agreement)
        throw Error(
            ErrorKind::kRange,
            fmt::format("the compiled network names the float network's class on {:.1f}% of {} check inputs; at "
                        "least {:.1f}% are wanted. More or other calibration pictures may help",
                        100 * result.report.agreement, result.report.check_images, 100 * options.least_agreement));
    CompileReport report;
    report.snr_db = result.report.snr_db;
    report.agreement = result.report.agreement;
    report.calibration_inputs = result.report.calibration_images;
    report.check_inputs = result.report.check_images;
    for (const compiler::LayerReport& layer : result.report.layers)
        report.layers.push_back(
            {layer.name, api::shape_of(layer.output), layer.share_bits, layer.range, layer.margin, layer.snr_db});
    report.notes = impl_->imported.notes;
    for (const compiler::Outlier& outlier : result.report.outliers)
        report.notes.push_back(compiler::describe(outlier, "number " + std::to_string(outlier.image)));
    return {Model(std::make_shared<const Model::Data>(std::move(result.model))), std::move(report)};
}

}  // namespace flash
